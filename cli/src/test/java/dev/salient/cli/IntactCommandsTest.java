package dev.salient.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What commands say of a model that keeps the original's keys and values for the start of a chat. */
class IntactCommandsTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int START = 257;

    @TempDir
    static Path folder;

    private static Path original;
    private static Path kept;
    private static Path text;

    @BeforeAll
    static void writeModels() throws IOException {
        original = TinyModel.write(folder.resolve("original"), 1);
        kept = TinyModel.write(folder.resolve("kept"), 1);
        ObjectNode config =
                (ObjectNode) JSON.readTree(kept.resolve("config.json").toFile());
        config.putArray("intact_kv_tokens").add(START);
        Files.writeString(kept.resolve("config.json"), config.toString());
        Random random = new Random(4);
        short[] halves = new short[TinyModel.BLOCKS * TinyModel.KV];
        for (int i = 0; i < halves.length; i++) {
            halves[i] = Float.floatToFloat16((float) random.nextGaussian());
        }
        Payload payload =
                Payload.of(StoredType.F16, Shape.of(TinyModel.BLOCKS, 1, TinyModel.KV), MemorySegment.ofArray(halves));
        SafetensorsWriter.write(
                kept.resolve("intact_kv.safetensors"), Map.of(), Map.of("keys", payload, "values", payload));
        text = Files.writeString(folder.resolve("text.txt"), "Foxes jump over dogs. ".repeat(40));
    }

    private static JsonNode evaluate(String... more) throws IOException {
        Object[] own = {
            "evaluate",
            kept,
            "--against",
            original,
            "--text",
            text,
            "--window",
            32,
            "--windows",
            8,
            "--json",
            "--cache",
            folder.resolve("cache")
        };
        Object[] all = java.util.stream.Stream.concat(java.util.Arrays.stream(own), java.util.Arrays.stream(more))
                .toArray();
        Run run = Run.of(all);
        assertThat(run.status()).as(run.err()).isZero();
        return JSON.readTree(run.out()).at("/evaluations/0");
    }

    /** Weights are the same: without its tokens at the start the model is its original. */
    @Test
    void evaluateUsesThemWhereWindowsBeginSoAndSaysWhereTheyDoNot() throws IOException {
        JsonNode plain = evaluate();
        assertThat(plain.at("/divergence/kl/mean").asDouble()).isZero();
        assertThat(plain.path("warnings").toString())
                .contains("keeps the original's keys and values of <|im_start|>, with which windows do not begin:"
                        + " --leading-tokens has them do so");
        JsonNode begun = evaluate("--leading-tokens", "<|im_start|>");
        assertThat(begun.at("/divergence/kl/mean").asDouble()).isGreaterThan(1e-4);
        assertThat(begun.path("warnings").toString()).doesNotContain("windows do not begin");
        assertThat(begun.at("/text/set").asText()).isEqualTo("8 windows after <|im_start|>");
    }

    @Test
    void perplexityDoesSoToo() throws IOException {
        Run plain = Run.of("perplexity", kept, "--against", original, "--text", text, "--window", 32, "--json");
        assertThat(plain.err()).contains("with which windows do not begin");
        assertThat(JSON.readTree(plain.out()).path("kl").asDouble()).isZero();
        Run begun = Run.of(
                "perplexity",
                kept,
                "--against",
                original,
                "--text",
                text,
                "--window",
                32,
                "--json",
                "--leading-tokens",
                "<|im_start|>");
        assertThat(begun.err()).doesNotContain("with which windows do not begin");
        assertThat(JSON.readTree(begun.out()).path("kl").asDouble()).isGreaterThan(1e-4);
    }

    @Test
    void leadingTokensMustLeaveTheContextEnough() {
        Run run = Run.of(
                "evaluate",
                kept,
                "--text",
                text,
                "--window",
                128,
                "--leading-tokens",
                "ab",
                "--cache",
                folder.resolve("c"));
        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err().lines().findFirst())
                .hasValue("salient: --window: got 128 after 2 leading tokens, want at most 127, the model's context");
    }

    @ParameterizedTest
    @ValueSource(strings = {"gguf", "gptq", "aqlm", "hf"})
    void noExportTakesThemAlong(String format) {
        Path out = folder.resolve("out" + (format.equals("gguf") ? ".gguf" : format));
        Run run = Run.of("export", kept, "--to", format, "--out", out);
        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err().lines().findFirst())
                .hasValue("salient: " + kept
                        + ": got a model that keeps the original's keys and values for a text's first tokens"
                        + " (--intact-kv), which export to " + format
                        + " cannot take along: want a model that was quantized without --intact-kv");
        assertThat(out).doesNotExist();
    }

    @Test
    void inspectSaysWhatTheyAreOf() {
        Run run = Run.of("inspect", kept);
        assertThat(run.out())
                .contains(
                        "texts that begin with the tokens [257] use the original's keys and values of them (256 bytes)");
    }
}
