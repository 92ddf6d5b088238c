package dev.salient.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ProgramTest {
    @Test
    void helpNamesTheCommandsOfBothHalves() {
        for (String[] words : new String[][] {{}, {"--help"}, {"help"}}) {
            Run run = Run.of((Object[]) words);
            assertThat(run.status()).isZero();
            assertThat(run.err()).isEmpty();
            assertThat(run.out()).contains("perplexity", "generate", "chat", "inspect", "demo", "quantize", "train");
        }
    }

    @Test
    void helpBeforeACommandIsTheCommandsHelp() {
        assertThat(Run.of("help", "inspect").out())
                .isEqualTo(Run.of("inspect", "--help").out())
                .startsWith("Show what a model is made of.");
    }

    @Test
    void versionIsOneLine() {
        assertThat(Run.of("--version")).isEqualTo(new Run(0, "salient (development)\n", ""));
    }

    @Test
    void unknownCommandNamesTheNearOnes() {
        assertThat(Run.of("inspekt", "model"))
                .isEqualTo(new Run(2, "", "salient: inspekt: no such command\n  did you mean inspect?\n"));
    }

    @Test
    void misspelledCommandOfTheMakeHalfIsKnownToo() {
        assertThat(Run.of("quantise", "model"))
                .isEqualTo(new Run(2, "", "salient: quantise: no such command\n  did you mean quantize?\n"));
    }

    @Test
    void commandOfTheMakeHalfSaysWhatBringsItIn() {
        assertThat(Run.of("quantize", "model")).isEqualTo(new Run(2, "", """
                salient: quantize: needs libtorch, which is not on the class path
                  start it with the launcher: ./salient quantize
                """));
    }

    @Test
    void unknownOptionIsOneLineAndAHint() {
        assertThat(Run.of("inspect", "model", "--frobnicate"))
                .isEqualTo(new Run(2, "", "salient: Unknown option: '--frobnicate'\n  see salient inspect --help\n"));
    }

    @Test
    void missingModelIsOneLineAndAHint() {
        assertThat(Run.of("inspect"))
                .isEqualTo(
                        new Run(2, "", "salient: Missing required parameter: 'MODEL'\n  see salient inspect --help\n"));
    }

    @Test
    void modelThatIsNotThereIsOneLine() {
        assertThat(Run.of("inspect", "nowhere", "--json"))
                .isEqualTo(new Run(2, "", "salient: nowhere: got no such file or folder\n"));
    }

    @Test
    void verboseShowsWhereAFailureCameFrom() {
        Run run = Run.of("inspect", "nowhere", "--verbose");
        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err())
                .startsWith("salient: nowhere: got no such file or folder\n")
                .contains("dev.salient.format.FormatException", "at dev.salient.format.Checkpoints.open(");
    }
}
