package dev.salient.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.format.gptq.QuantizedFolder;
import dev.salient.model.Linear;
import dev.salient.model.ModelWeights;
import dev.salient.model.RopeScaling;
import dev.salient.packed.Dense;
import dev.salient.packed.GroupFormat;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaledGroups;
import dev.salient.packed.SuperBlocks;
import dev.salient.packed.SuperFormat;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is read from a GGUF file, and what is wrong with one, one message for each. */
class GgufTest {
    @TempDir
    Path temporary;

    private final TinyGguf gguf = new TinyGguf();

    private Path write(byte[] bytes) throws IOException {
        return Files.write(temporary.resolve("m.gguf"), bytes);
    }

    private void assertRefused(byte[] bytes, String message) throws IOException {
        Path file = write(bytes);
        assertThatThrownBy(() -> Checkpoints.open(file))
                .isInstanceOf(FormatException.class)
                .hasMessage(message);
    }

    private void assertRefused(String message) throws IOException {
        assertRefused(gguf.bytes(), message);
    }

    private static float[] row(PackedWeight weight, int row) {
        float[] values = new float[weight.in()];
        weight.decodeRow(row, values, 0);
        return values;
    }

    @Test
    void sizesEndTokensAndTiedHeadAreRead() throws IOException {
        try (Checkpoint checkpoint = Checkpoints.open(write(gguf.bytes()))) {
            assertThat(checkpoint.weights().config()).isEqualTo(TinyGguf.config());
            assertThat(checkpoint.endTokens()).containsExactly(2, 5);
            assertThat(checkpoint.weights().head())
                    .isSameAs(checkpoint.weights().embedding());
            assertThat(checkpoint.tokenizer()).isNull();
        }
    }

    @Test
    void weightsAreGivenOutBeforeTheTokenizerIsThere() throws IOException {
        AtomicReference<ModelWeights> early = new AtomicReference<>();
        try (Checkpoint checkpoint = Checkpoints.open(write(gguf.bytes()), early::set)) {
            assertThat(early.get()).isSameAs(checkpoint.weights());
        }
    }

    @Test
    void whatFailsMeanwhileClosesTheFile() throws IOException {
        AtomicReference<ModelWeights> early = new AtomicReference<>();
        Path file = write(gguf.bytes());
        assertThatThrownBy(() -> Checkpoints.open(file, weights -> {
                    early.set(weights);
                    throw new IllegalStateException("no room");
                }))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("no room");
        assertThatThrownBy(() -> row(early.get().embedding(), 0))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("Already closed");
    }

    @Test
    void rowsOfQueriesAndKeysComeInRotatedHalves() throws IOException {
        try (Checkpoint checkpoint = Checkpoints.open(write(gguf.bytes()))) {
            PackedWeight q = checkpoint.weights().blocks().getFirst().linear(Linear.Q);
            // stored rows 0 1 2 3 are pairs (0, 1), (2, 3): the halves are 0 2 and 1 3
            int[] stored = {0, 2, 1, 3, 4, 6, 5, 7};
            for (int row = 0; row < 8; row++) {
                assertThat(row(q, row)[0]).as("row %d", row).isEqualTo(stored[row] * 8);
            }
            PackedWeight v = checkpoint.weights().blocks().getFirst().linear(Linear.V);
            assertThat(row(v, 1)[0]).isEqualTo(8);
        }
    }

    @Test
    void eachGroupTypeIsRecognisedByItsNumber() throws IOException {
        Object[][] types = {
            {2, GroupFormat.Q4_0},
            {3, GroupFormat.Q4_1},
            {6, GroupFormat.Q5_0},
            {7, GroupFormat.Q5_1},
            {8, GroupFormat.Q8_0},
            {34, GroupFormat.TQ1_0},
            {35, GroupFormat.TQ2_0},
            {41, GroupFormat.Q1_0},
            {42, GroupFormat.Q2_0}
        };
        gguf.metadata.put("llama.feed_forward_length", 256);
        gguf.floats("blk.0.ffn_gate.weight", 8, 256);
        gguf.floats("blk.0.ffn_up.weight", 8, 256);
        for (Object[] type : types) {
            GroupFormat format = (GroupFormat) type[1];
            byte[] data = new byte[8 * 256 / format.groupSize() * format.byteCount()];
            gguf.put("blk.0.ffn_down.weight", (Integer) type[0], data, 256, 8);
            try (Checkpoint checkpoint = Checkpoints.open(write(gguf.bytes()))) {
                ScaledGroups down =
                        (ScaledGroups) checkpoint.weights().blocks().getFirst().linear(Linear.DOWN);
                assertThat(down.format()).isEqualTo(format);
            }
        }
    }

    @Test
    void eachTypeInBlocksIsRecognisedByItsNumber() throws IOException {
        gguf.metadata.put("llama.feed_forward_length", 256);
        gguf.floats("blk.0.ffn_gate.weight", 8, 256);
        gguf.floats("blk.0.ffn_up.weight", 8, 256);
        Object[][] types = {
            {10, SuperFormat.Q2_K},
            {11, SuperFormat.Q3_K},
            {12, SuperFormat.Q4_K},
            {13, SuperFormat.Q5_K},
            {14, SuperFormat.Q6_K},
            {20, SuperFormat.IQ4_NL},
            {23, SuperFormat.IQ4_XS}
        };
        for (Object[] type : types) {
            SuperFormat format = (SuperFormat) type[1];
            byte[] data = new byte[8 * 256 / format.blockSize() * format.byteCount()];
            gguf.put("blk.0.ffn_down.weight", (Integer) type[0], data, 256, 8);
            try (Checkpoint checkpoint = Checkpoints.open(write(gguf.bytes()))) {
                SuperBlocks down =
                        (SuperBlocks) checkpoint.weights().blocks().getFirst().linear(Linear.DOWN);
                assertThat(down.format()).isEqualTo(format);
            }
        }
    }

    @Test
    void halfPrecisionIsRead() throws IOException {
        ByteBuffer data = ByteBuffer.allocate(2 * 128).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < 128; i++) {
            data.putShort(Float.floatToFloat16(i / 4f));
        }
        gguf.put("blk.0.ffn_down.weight", 1, data.array(), 16, 8);
        try (Checkpoint checkpoint = Checkpoints.open(write(gguf.bytes()))) {
            Dense down = (Dense) checkpoint.weights().blocks().getFirst().linear(Linear.DOWN);
            assertThat(row(down, 1)[3]).isEqualTo(19 / 4f);
        }
    }

    @Test
    void ropeDivisorsGiveBackLlama3sScaling() throws IOException {
        gguf.metadata.put("llama.attention.key_length", 64);
        gguf.metadata.put("llama.attention.value_length", 64);
        gguf.metadata.put("llama.rope.dimension_count", 64);
        gguf.metadata.put("llama.rope.freq_base", 500000f);
        gguf.floats("blk.0.attn_q.weight", 8, 128);
        gguf.floats("blk.0.attn_k.weight", 8, 64);
        gguf.floats("blk.0.attn_v.weight", 8, 64);
        gguf.floats("blk.0.attn_output.weight", 128, 8);
        RopeScaling want = new RopeScaling.Llama3(32, 1, 4, 8192);
        float[] divisors = new float[32];
        for (int i = 0; i < 32; i++) {
            double frequency = Math.pow(500000, -i / 32.0);
            divisors[i] = (float) (frequency / want.scale(i, frequency));
        }
        gguf.put("rope_freqs.weight", divisors, 32);
        try (Checkpoint checkpoint = Checkpoints.open(write(gguf.bytes()))) {
            RopeScaling got =
                    Objects.requireNonNull(checkpoint.weights().config().ropeScaling());
            assertThat(((RopeScaling.Llama3) got).factor()).isCloseTo(32, within(1e-5));
        }
        divisors[20] = 3;
        gguf.put("rope_freqs.weight", divisors, 32);
        try (Checkpoint checkpoint = Checkpoints.open(write(gguf.bytes()))) {
            RopeScaling other =
                    Objects.requireNonNull(checkpoint.weights().config().ropeScaling());
            assertThat(other.scale(20, 6)).isEqualTo(2);
        }
        divisors[20] = 0;
        gguf.put("rope_freqs.weight", divisors, 32);
        assertRefused("m.gguf: rope_freqs.weight: got divisor 0.0, want more than 0");
    }

    @Test
    void ggufSourceBecomesAFolderWithConfigurationAndTokenizer() throws IOException {
        gguf.metadata.put("general.license", "apache-2.0");
        gguf.metadata.put("tokenizer.ggml.model", "gpt2");
        gguf.metadata.put("tokenizer.ggml.pre", "default");
        gguf.metadata.put("tokenizer.ggml.tokens", List.of("a", "b", "ab", "c", "d", "e", "f", "g", "h", "i"));
        gguf.metadata.put("tokenizer.ggml.token_type", List.of(1, 1, 1, 1, 1, 3, 1, 1, 1, 1));
        gguf.metadata.put("tokenizer.ggml.merges", List.of("a b"));
        gguf.metadata.put("tokenizer.chat_template", "{{ messages }}");
        Path folder = temporary.resolve("folder");
        try (Checkpoint original = Checkpoints.open(write(gguf.bytes()))) {
            QuantizedFolder target = QuantizedFolder.open(folder, original);
            target.writeBlock(0, original.weights().blocks().getFirst());
            target.finish("Nothing.");
        }
        try (Checkpoint read = Checkpoints.open(folder)) {
            assertThat(read.weights().config()).isEqualTo(TinyGguf.config());
            assertThat(read.endTokens()).containsExactly(2, 5);
            assertThat(read.chatTemplate()).isEqualTo("{{ messages }}");
            assertThat(read.expectTokenizer().encode("abc")).containsExactly(2, 3);
        }
        assertThat(folder.resolve("README.md"))
                .hasContent("---\nlicense: apache-2.0\n---\n# m.gguf\n\n> **Changed from the original:** Nothing.\n");
    }

    @Test
    void emptyFile() throws IOException {
        assertRefused(new byte[0], "m.gguf: byte 0: got the end of the file, want 4 bytes more");
    }

    @Test
    void otherFile() throws IOException {
        assertRefused(
                new byte[] {(byte) 0x80, 2, (byte) 0x8a, 10, 0, 0, 0, 0},
                "m.gguf: got first bytes 0x80028A0A, want \"GGUF\"");
    }

    @Test
    void otherVersion() throws IOException {
        gguf.version = 2;
        assertRefused("m.gguf: got GGUF version 2, want 3");
    }

    @Test
    void hugeTensorCount() throws IOException {
        byte[] bytes = gguf.bytes();
        Arrays.fill(bytes, 8, 15, (byte) 0xFF);
        assertRefused(
                bytes,
                "m.gguf: got 72057594037927935 tensors, want at most the " + (bytes.length - 16) / 32
                        + " that fit the file");
    }

    @Test
    void hugeMetadataCount() throws IOException {
        byte[] bytes = gguf.bytes();
        Arrays.fill(bytes, 16, 24, (byte) 0xFF);
        assertRefused(
                bytes,
                "m.gguf: got 18446744073709551615 metadata entries, want at most the " + (bytes.length - 24) / 13
                        + " that fit the file");
    }

    @Test
    void hugeText() throws IOException {
        byte[] bytes = gguf.bytes();
        bytes[30] = 127;
        assertRefused(
                bytes,
                "m.gguf: got 35747322042253332 bytes of text, want at most the " + (bytes.length - 32)
                        + " that fit the file");
    }

    @Test
    void hugeList() throws IOException {
        gguf.metadata.put("general.tags", List.of(1, 2, 3));
        byte[] bytes = gguf.bytes();
        int at = indexOf(bytes, "general.tags") + "general.tags".length() + 8;
        bytes[at + 6] = 1;
        assertRefused(
                bytes,
                "m.gguf: got 281474976710659 elements, want at most the " + (bytes.length - at - 8) / 4
                        + " that fit the file");
    }

    private static int indexOf(byte[] bytes, String text) {
        return new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1).indexOf(text);
    }

    @Test
    void truncatedData() throws IOException {
        byte[] bytes = gguf.bytes();
        assertRefused(
                Arrays.copyOf(bytes, bytes.length - 5),
                "m.gguf: output_norm.weight: got 27 bytes of data before the end of the file, want 32");
    }

    @Test
    void overlappingTensors() throws IOException {
        gguf.shift = -32;
        assertRefused("m.gguf: blk.0.attn_norm.weight: got offset 288, want 320, where the tensor before it ends");
    }

    @Test
    void unknownTensorType() throws IOException {
        gguf.put("blk.0.ffn_down.weight", 19, new byte[4], 256, 8);
        assertRefused(
                "m.gguf: blk.0.ffn_down.weight: got tensor type 19,"
                        + " want one of [F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, BF16, TQ1_0, TQ2_0, Q1_0, Q2_0]");
    }

    @Test
    void rowThatGroupsDoNotFill() throws IOException {
        gguf.put("blk.0.ffn_down.weight", 2, new byte[72], 16, 8);
        assertRefused("m.gguf: blk.0.ffn_down.weight: got rows of 16, want a multiple of 32 for Q4_0");
    }

    @Test
    void hugeDimension() throws IOException {
        gguf.put("blk.0.ffn_down.weight", 0, new byte[4], 1L << 40, 8);
        assertRefused("m.gguf: blk.0.ffn_down.weight: got dimension 1099511627776, want one that a file can hold");
    }

    @Test
    void wrongShape() throws IOException {
        gguf.floats("blk.0.attn_k.weight", 8, 8);
        assertRefused("m.gguf: blk.0.attn_k.weight: got [8, 8], want [4, 8]");
    }

    @Test
    void missingTensor() throws IOException {
        gguf.tensors.removeLast();
        assertRefused("m.gguf: output_norm.weight: got no such tensor");
    }

    @Test
    void tensorThatNobodyReads() throws IOException {
        gguf.floats("blk.0.attn_q_norm.weight", 8);
        assertRefused("m.gguf: blk.0.attn_q_norm.weight: got a tensor that no part of the model reads");
    }

    @Test
    void notANumberInANorm() throws IOException {
        gguf.put("output_norm.weight", new float[] {1, 1, 1, Float.NaN, 1, 1, 1, 1}, 8);
        assertRefused("m.gguf: output_norm.weight: got NaN at 3, want a finite number");
    }

    @Test
    void otherArchitecture() throws IOException {
        gguf.metadata.put("general.architecture", "falcon");
        assertRefused("m.gguf: general.architecture: got \"falcon\","
                + " want one of llama, qwen2, qwen3, phi3, gemma2, gemma3");
    }

    @Test
    void experts() throws IOException {
        gguf.metadata.put("llama.expert_count", 8);
        assertRefused("m.gguf: llama.expert_count: got 8, want 0");
    }

    @Test
    void otherRopeScaling() throws IOException {
        gguf.metadata.put("llama.rope.scaling.type", "ntk");
        assertRefused("m.gguf: llama.rope.scaling.type: got \"ntk\","
                + " want none, linear or yarn; LLaMA 3's scaling comes as rope_freqs.weight");
    }

    @Test
    void missingSize() throws IOException {
        gguf.metadata.remove("llama.block_count");
        assertRefused("m.gguf: llama.block_count: got nothing, want an integer");
    }

    @Test
    void missingTokenizerIsMissedOnlyWhenItIsNeeded() throws IOException {
        Path file = write(gguf.bytes());
        try (Checkpoint checkpoint = Checkpoints.open(file)) {
            assertThatThrownBy(checkpoint::expectTokenizer)
                    .isInstanceOf(FormatException.class)
                    .hasMessage(file + ": got no tokenizer, want tokenizer.json beside the weights");
        }
    }
}
