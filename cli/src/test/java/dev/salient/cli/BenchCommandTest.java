package dev.salient.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchCommandTest {
    @TempDir
    static Path folder;

    private static Path model;

    @BeforeAll
    static void writeModel() throws IOException {
        model = TinyModel.write(folder.resolve("tiny"), 1);
    }

    @Test
    void benchCountsTheBytesOfATokenAndDividesByTheBandwidth() throws IOException {
        Run run = Run.of("bench", model, "--prompt", 20, "--generate", 8, "--runs", 3, "--threads", 1, "--json");
        assertThat(run.status()).as(run.err()).isZero();
        JsonNode json = new ObjectMapper().readTree(run.out());
        // 61,440 weights of blocks and 259 * 64 of the head in fp32; 2 * 2 blocks * 2 heads * 16 of fp32 for 24 tokens
        assertThat(json.path("bytesPerToken").asLong()).isEqualTo(4 * (61_440 + 259 * 64) + 24 * 512);
        assertThat(json.path("prefills")).hasSize(3);
        assertThat(json.path("decodes")).hasSize(3);
        assertThat(json.path("rooflineShare").asDouble())
                .isEqualTo(json.path("decodeTokensPerSecond").asDouble()
                        * json.path("bytesPerToken").asLong()
                        / json.path("memoryBytesPerSecond").asDouble());
        assertThat(json.path("prompt").asInt()).isEqualTo(20);
        assertThat(json.path("generated").asInt()).isEqualTo(8);
        assertThat(json.path("threads").asInt()).isEqualTo(1);
    }

    @Test
    void benchFitsItsPromptIntoAShortContext() {
        Run run = Run.of("bench", model, "--generate", 100, "--runs", 1, "--threads", 1);
        assertThat(run.out()).matches("""
                prefill    +\\d+\\.\\d tokens/s  \\(28 tokens\\)
                decode     +\\d+\\.\\d tokens/s  \\(100 tokens after them\\)
                (?:resident   +\\d+\\.\\d MB at most while it ran
                )?a token    +0\\.4 MB read
                memory     +\\d+\\.\\d GB/s on 1 threads; decode reaches \\d+ % of it
                """);
    }

    /** A cache of half the size counts half, and a head of 8 bits 34 bytes for 32 weights. */
    @Test
    void benchCountsWhatIsRounded() throws IOException {
        Run run = Run.of(
                "bench",
                model,
                "--prompt",
                20,
                "--generate",
                8,
                "--runs",
                1,
                "--threads",
                1,
                "--json",
                "--cache",
                "f16",
                "--head",
                "q8_0",
                "--activations",
                "int8");
        assertThat(run.status()).as(run.err()).isZero();
        JsonNode json = new ObjectMapper().readTree(run.out());
        assertThat(json.path("bytesPerToken").asLong()).isEqualTo(4 * 61_440 + 259 * 68 + 24 * 256);
    }

    @Test
    void severalTextsShareTheWeightsOfAStepButNotTheCaches() throws IOException {
        Run run = Run.of("bench", model, "--prompt", 20, "--generate", 8, "--runs", 1, "--sequences", 4, "--json");
        assertThat(run.status()).as(run.err()).isZero();
        JsonNode json = new ObjectMapper().readTree(run.out());
        assertThat(json.path("bytesPerToken").asLong()).isEqualTo(61_440 + 259 * 64 + 24 * 512);
        assertThat(json.path("sequences").asInt()).isEqualTo(4);
        assertThat(Run.of("bench", model, "--sequences", 3, "--runs", 1, "--generate", 8)
                        .out())
                .contains(" (8 tokens after them in each of 3 texts at once)\n");
    }

    @Test
    void benchSaysWhatIsWrongInOneLine() {
        assertThat(Run.of("bench", model, "--prompt", 100, "--generate", 29))
                .isEqualTo(new Run(
                        2,
                        "",
                        "salient: --prompt and --generate: got 100 and 29 tokens, want at most 128 in all,"
                                + " the model's context\n"));
        assertThat(Run.of("bench", model, "--runs", 0))
                .isEqualTo(new Run(2, "", "salient: --runs: got 0, want 1 or more\n"));
    }
}
