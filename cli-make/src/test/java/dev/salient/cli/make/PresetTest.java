package dev.salient.cli.make;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.method.Tuning;
import dev.salient.pipeline.Preset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** What a Java program gets from a preset is what the command line gets. */
class PresetTest {
    @ParameterizedTest
    @ValueSource(strings = {"fast", "best", "paper"})
    void theLibrarysMethodIsThatOfTheCommand(String name) {
        MethodOptions options = new MethodOptions();
        new CommandLine(CommandLine.Model.CommandSpec.create().addMixin("method", spec(options)))
                .parseArgs("--preset", name);
        assertThat(Preset.of(name).retraining()).isEqualTo(options.method());
    }

    private static CommandLine.Model.CommandSpec spec(MethodOptions options) {
        return CommandLine.Model.CommandSpec.forAnnotatedObject(options);
    }

    @Test
    void theLibrarysTuningIsThatOfTheCommand() {
        assertThat(Tuning.weights(1)).isEqualTo(new TuneCommand().tuning());
    }
}
