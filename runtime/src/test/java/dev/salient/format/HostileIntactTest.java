package dev.salient.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.model.IntactKv;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A folder's intact keys and values, and what can be wrong with them. */
class HostileIntactTest {
    @TempDir
    Path temporary;

    private TinyFolder folder;
    private final Map<String, Payload> tensors = new LinkedHashMap<>();

    @BeforeEach
    void makeFolder() throws IOException {
        folder = new TinyFolder(temporary.resolve("m"));
        tokens("[1, 4]");
        put("keys", 0, 1, 2, 4);
        put("values", 100, 1, 2, 4);
    }

    private void tokens(String json) {
        folder.config =
                TinyFolder.CONFIG.replace("\"vocab_size\"", "\"intact_kv_tokens\": " + json + ", \"vocab_size\"");
    }

    /** A tensor of halves, {@code first} and what follows it. */
    private void put(String name, float first, int... dimensions) {
        Shape shape = Shape.of(dimensions);
        short[] halves = new short[(int) shape.elementCount()];
        for (int i = 0; i < halves.length; i++) {
            halves[i] = Float.floatToFloat16(first + i);
        }
        tensors.put(name, Payload.of(StoredType.F16, shape, MemorySegment.ofArray(halves)));
    }

    private void write() throws IOException {
        folder.write();
        SafetensorsWriter.write(folder.path.resolve("intact_kv.safetensors"), Map.of(), tensors);
    }

    private void assertRefused(String message) {
        assertThatThrownBy(() -> Checkpoints.open(folder.path))
                .isInstanceOf(FormatException.class)
                .hasMessage(message);
    }

    @Test
    void whatIsThereIsReadAndCounted() throws IOException {
        folder.config = TinyFolder.CONFIG;
        folder.write();
        String without = Checkpoints.hash(folder.path);
        double bits = Checkpoints.describe(folder.path).bitsPerWeight();
        tokens("[1, 4]");
        write();
        try (Checkpoint checkpoint = Checkpoints.open(folder.path)) {
            IntactKv intact = Objects.requireNonNull(checkpoint.weights().intact());
            assertThat(intact.tokens()).containsExactly(1, 4);
            assertThat(intact.keys(0)).containsExactly(0, 1, 2, 3, 4, 5, 6, 7);
            assertThat(intact.values(0)).containsExactly(100, 101, 102, 103, 104, 105, 106, 107);
            ModelSummary summary = Checkpoints.describe(checkpoint);
            assertThat(summary.bitsPerWeight())
                    .isEqualTo(bits + 2 * 8 * 16.0 / summary.config().linearWeightCount());
            assertThatThrownBy(() -> checkpoint.requireOwnKeys("export to gguf", "another"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(folder.path
                            + ": got a model that keeps the original's keys and values for a text's first tokens (--intact-kv), which"
                            + " export to gguf cannot take along: want another");
        }
        String with = Checkpoints.hash(folder.path);
        put("values", 99, 1, 2, 4);
        write();
        assertThat(Checkpoints.hash(folder.path)).isNotEqualTo(with).isNotEqualTo(without);
    }

    @Test
    void missingFile() throws IOException {
        folder.write();
        assertRefused("config.json: intact_kv_tokens: got no intact_kv.safetensors beside it");
    }

    @Test
    void fileWithoutTokens() throws IOException {
        folder.config = TinyFolder.CONFIG;
        write();
        assertRefused(
                "config.json: intact_kv_tokens: got nothing, want the ids of the tokens that intact_kv.safetensors is for");
    }

    @Test
    void noTokens() throws IOException {
        tokens("[]");
        write();
        assertRefused("config.json: intact_kv_tokens: got [], want 1 to 32 token ids");
    }

    @Test
    void moreTokensThanTheContextHolds() throws IOException {
        tokens("[" + "1, ".repeat(32) + "1]");
        write();
        assertThatThrownBy(() -> Checkpoints.open(folder.path))
                .isInstanceOf(FormatException.class)
                .hasMessageEndingWith(", want 1 to 32 token ids");
    }

    @Test
    void tokensOutsideTheVocabulary() throws IOException {
        for (String ids : new String[] {"[1,10]", "[-1,4]"}) {
            tokens(ids);
            write();
            assertRefused("config.json: intact_kv_tokens: got " + ids + ", want ids of 0 to 9");
        }
    }

    @Test
    void tokensThatAreNoIds() throws IOException {
        tokens("[\"<s>\"]");
        write();
        assertRefused("config.json: intact_kv_tokens: got [\"<s>\"], want an integer");
    }

    @Test
    void anotherNumberOfTokens() throws IOException {
        tokens("[1]");
        write();
        assertRefused("intact_kv.safetensors: keys: got [1, 2, 4], want [1, 1, 4]");
    }

    @Test
    void anotherNumberOfChannels() throws IOException {
        put("values", 0, 1, 2, 8);
        write();
        assertRefused("intact_kv.safetensors: values: got [1, 2, 8], want [1, 2, 4]");
    }

    @Test
    void anotherType() throws IOException {
        tensors.put("keys", Payload.of(StoredType.F32, Shape.of(1, 2, 4), MemorySegment.ofArray(new float[8])));
        write();
        assertRefused("intact_kv.safetensors: keys: got dtype F32, want F16");
    }

    @Test
    void numbersThatAreNone() throws IOException {
        put("keys", Float.NaN, 1, 2, 4);
        write();
        assertRefused("intact_kv.safetensors: keys: got NaN at 0, want a finite number");
    }

    @Test
    void missingTensor() throws IOException {
        tensors.remove("values");
        write();
        assertRefused("intact_kv.safetensors: values: got no such tensor");
    }

    @Test
    void tensorThatNobodyReads() throws IOException {
        put("biases", 0, 1);
        write();
        assertRefused("intact_kv.safetensors: biases: got a tensor that no part of the model reads");
    }

    @Test
    void truncatedFile() throws IOException {
        write();
        Path file = folder.path.resolve("intact_kv.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, java.util.Arrays.copyOf(bytes, bytes.length - 4));
        assertRefused("intact_kv.safetensors: got 28 bytes of data, want 32");
    }
}
