package dev.salient.format.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.gptq.RandomModel;
import dev.salient.format.gptq.RandomModel.Grid;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.model.RopeScaling;
import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Files that are written, through a reader that shares nothing with the writer. */
class GgufExportTest {
    @TempDir
    Path folder;

    private NaiveGguf export(ModelWeights weights, GgufType type, TwoBits twoBits) throws IOException {
        Path file = folder.resolve("out.gguf");
        GgufExport.of(ExportedModel.checkpoint(folder.resolve("model"), weights), type, twoBits)
                .write(file, name -> {});
        return new NaiveGguf(file);
    }

    /** Every linear, with its rows put back into our order. */
    private static float[][] rows(NaiveGguf file, LinearId id, int out, int in) {
        float[] values = file.values(GgufNames.linear(id));
        float[][] rows = new float[out][];
        for (int row = 0; row < out; row++) {
            boolean rotary = id.linear() == Linear.Q || id.linear() == Linear.K;
            int from = (rotary ? ExportedModel.fileRow(row) : row) * in;
            rows[row] = java.util.Arrays.copyOfRange(values, from, from + in);
        }
        return rows;
    }

    private static float[][] rows(PackedWeight weight) {
        float[][] rows = new float[weight.out()][weight.in()];
        for (int row = 0; row < rows.length; row++) {
            weight.decodeRow(row, rows[row], 0);
        }
        return rows;
    }

    @ParameterizedTest
    @EnumSource(GgufType.class)
    void everyLinearIsTheNearestThatItsTypeHolds(GgufType type) throws IOException {
        ModelWeights weights = ExportedModel.dense(7);
        NaiveGguf file = export(weights, type, TwoBits.KEPT);
        for (int b = 0; b < 2; b++) {
            for (Linear linear : Linear.values()) {
                float[][] want = rows(weights.blocks().get(b).linear(linear));
                float[][] got = rows(file, new LinearId(b, linear), want.length, want[0].length);
                for (int row = 0; row < want.length; row++) {
                    assertNearest(type, want[row], got[row]);
                }
            }
        }
    }

    private static void assertNearest(GgufType type, float[] want, float[] got) {
        for (int i = 0; i < want.length; i++) {
            switch (type) {
                case AS_STORED, F32 -> assertThat(got[i]).isEqualTo(want[i]);
                case F16 -> assertThat(got[i]).isEqualTo(Float.float16ToFloat(Float.floatToFloat16(want[i])));
                case BF16 -> assertThat(Math.abs(got[i] - want[i])).isLessThanOrEqualTo(Math.abs(want[i]) / 256);
                case Q8_0, Q4_0 -> assertNearestInGroup(type, i / 32 * 32, want, got, i);
            }
        }
    }

    /** No other multiple of the group's scale is nearer, but for the end that Q4_0 has on one side only. */
    private static void assertNearestInGroup(GgufType type, int first, float[] want, float[] got, int i) {
        float largest = 0;
        for (int j = first; j < first + 32; j++) {
            largest = Math.abs(want[j]) > Math.abs(largest) ? want[j] : largest;
        }
        float exact = type == GgufType.Q8_0 ? Math.abs(largest) / 127 : largest / -8;
        double scale = Float.float16ToFloat(Float.floatToFloat16(exact));
        double k = got[i] / scale;
        assertThat(k).isCloseTo(Math.rint(k), org.assertj.core.api.Assertions.within(1e-4));
        double most = type == GgufType.Q8_0 ? 127 : 7;
        double wanted = want[i] / scale;
        if (wanted <= most) {
            // the rounding of the scale moves a level by up to 2^-11 of itself
            assertThat(Math.abs(k - wanted)).isLessThanOrEqualTo(0.5 + most * 0x1p-10);
        } else {
            assertThat(Math.rint(k)).isEqualTo(most);
        }
    }

    @Test
    void whatIsQuantizedKeepsItsValuesInTheSmallestTypeThatHoldsThem() throws IOException {
        RandomModel random = new RandomModel(3);
        ModelWeights weights = ExportedModel.random(3, (block, linear, out, in) -> switch (linear) {
            case Q, K -> random.affine(out, in, new Grid(2, 64, 1, 2));
            case V -> random.affine(out, in, Grid.any(3, 32));
            case O -> random.affine(out, in, Grid.any(4, 64));
            case GATE -> random.affine(out, in, new Grid(8, 64, 128, 128));
            case UP -> random.affine(out, in, Grid.any(8, 64));
            case DOWN -> random.affine(out, in, new Grid(2, 32, 1, 1));
        });
        Checkpoint checkpoint = ExportedModel.checkpoint(folder.resolve("model"), weights);
        GgufExport export = GgufExport.of(checkpoint, GgufType.AS_STORED, TwoBits.KEPT);
        export.write(folder.resolve("out.gguf"), name -> {});
        assertThat(export.types())
                .containsAllEntriesOf(Map.of(
                        "1.q",
                        "Q2_0",
                        "1.k",
                        "Q2_0",
                        "1.v",
                        "Q4_0",
                        "1.o",
                        "Q5_0",
                        "1.gate",
                        "Q8_0",
                        "1.up",
                        "F32",
                        "1.down",
                        "Q4_0",
                        "embedding",
                        "F32"));
        NaiveGguf file = new NaiveGguf(folder.resolve("out.gguf"));
        for (Linear linear : Linear.values()) {
            float[][] want = rows(weights.blocks().get(1).linear(linear));
            float[][] got = rows(file, new LinearId(1, linear), want.length, want[0].length);
            for (int row = 0; row < want.length; row++) {
                for (int i = 0; i < want[row].length; i++) {
                    assertThat(got[row][i] + 0f)
                            .as("%s [%d, %d]", linear, row, i)
                            .isEqualTo(want[row][i] + 0f);
                }
            }
        }
    }

    /** Groups of 128 and 256 have layouts of their own; smaller ones are held by Q2_0, and by Q4_0. */
    @Test
    void signsAndTernaryCodesKeepTheirValuesInTheSmallestTypeThatHoldsThem() {
        RandomModel random = new RandomModel(11);
        Map<GroupAffine, GgmlType> cases = Map.of(
                random.symmetric(6, 512, 128, 2), GgmlType.Q1_0,
                random.symmetric(6, 512, 256, 2), GgmlType.Q1_0,
                random.symmetric(6, 512, 64, 2), GgmlType.Q2_0,
                random.symmetric(6, 512, 32, 2), GgmlType.Q4_0,
                random.symmetric(6, 512, 256, 1), GgmlType.TQ2_0,
                random.symmetric(6, 512, 512, 1), GgmlType.TQ2_0,
                random.symmetric(6, 512, 128, 1), GgmlType.Q2_0);
        cases.forEach((weight, type) -> {
            RowEncoding encoding = RowEncoding.of("w", weight, GgufType.AS_STORED, TwoBits.KEPT);
            assertThat(encoding.type()).isEqualTo(type);
            float[][] want = rows(weight);
            for (int row = 0; row < want.length; row++) {
                java.nio.ByteBuffer bytes = java.nio.ByteBuffer.allocate((int) type.bytesOf(512));
                encoding.rows().encode(row, java.lang.foreign.MemorySegment.ofBuffer(bytes));
                float[] got = NaiveGguf.row(bytes, type.id(), 512);
                for (int i = 0; i < got.length; i++) {
                    assertThat(got[i]).isEqualTo(want[row][i] + 0f);
                }
            }
        });
    }

    @Test
    void twoBitsStayUnlessTheyAreToBeDequantized() throws IOException {
        RandomModel random = new RandomModel(4);
        ModelWeights weights = ExportedModel.random(
                4,
                (block, linear, out, in) ->
                        in == 64 ? random.affine(out, in, Grid.signed2(64)) : random.dense(out, in));
        NaiveGguf kept = export(weights, GgufType.Q8_0, TwoBits.KEPT);
        assertThat(kept.type("blk.0.attn_q.weight")).isEqualTo(42);
        assertThat(kept.type("blk.0.ffn_down.weight")).isEqualTo(8);
        assertThat(kept.type("output.weight")).isEqualTo(8);
        assertThat(kept.metadata).containsEntry("general.file_type", 41);
        NaiveGguf dequantized = export(weights, GgufType.F16, TwoBits.DEQUANTIZED);
        assertThat(dequantized.type("blk.0.attn_q.weight")).isEqualTo(1);
        assertThat(dequantized.metadata).containsEntry("general.file_type", 1);
        assertThat(dequantized.values("blk.0.attn_q.weight")).isEqualTo(kept.values("blk.0.attn_q.weight"));
    }

    @Test
    void metadataNameEverythingThatLlamaCppNeeds() throws IOException {
        NaiveGguf file = export(ExportedModel.dense(1), GgufType.AS_STORED, TwoBits.KEPT);
        List<Object> tokens = List.copyOf(ExportedModel.vocabulary().tokens());
        assertThat(file.metadata.toString())
                .isEqualTo("{general.architecture=llama, general.type=model, general.name=model,"
                        + " general.license=apache-2.0, llama.block_count=2, llama.context_length=128,"
                        + " llama.embedding_length=64, llama.feed_forward_length=96, llama.attention.head_count=4,"
                        + " llama.attention.head_count_kv=2, llama.attention.key_length=16,"
                        + " llama.attention.value_length=16, llama.attention.layer_norm_rms_epsilon=1.0E-5,"
                        + " llama.rope.dimension_count=16, llama.rope.freq_base=10000.0, llama.vocab_size=40,"
                        + " tokenizer.ggml.model=gpt2, tokenizer.ggml.pre=smollm, tokenizer.ggml.tokens=" + tokens
                        + ", tokenizer.ggml.token_type="
                        + ExportedModel.vocabulary().tokenTypes()
                        + ", tokenizer.ggml.merges=[a b, ab c], tokenizer.ggml.bos_token_id=39,"
                        + " tokenizer.ggml.eos_token_id=38, tokenizer.ggml.eot_token_id=39,"
                        + " tokenizer.ggml.add_bos_token=true, tokenizer.ggml.add_space_prefix=false,"
                        + " tokenizer.chat_template={{ messages }}, general.file_type=0,"
                        + " general.quantization_version=2}");
        for (NaiveGguf.Entry entry : file.tensors.values()) {
            assertThat(entry.offset() % 32).isZero();
        }
    }

    @Test
    void fileOpensAsTheModelThatItWasMadeFromAndExportsAsItself() throws IOException {
        ModelConfig plain = RandomModel.CONFIG;
        ModelConfig scaled = new ModelConfig(
                64, 96, 2, 4, 2, 16, 40, 128, 500000, new RopeScaling.Llama3(8, 1, 4, 8192), plain.normEpsilon(), true);
        RandomModel random = new RandomModel(9);
        ModelWeights weights = random.weights(scaled, (block, linear, out, in) -> random.dense(out, in));
        export(weights, GgufType.Q8_0, TwoBits.KEPT);
        Path again = folder.resolve("again.gguf");
        try (Checkpoint read = Checkpoints.open(folder.resolve("out.gguf"))) {
            assertThat(read.weights().config().ropeScaling()).isEqualTo(scaled.ropeScaling());
            assertThat(read.weights().config().tiedEmbeddings()).isTrue();
            assertThat(read.chatTemplate()).isEqualTo(ExportedModel.TEMPLATE);
            assertThat(read.endTokens()).containsExactly(38, 39);
            assertThat(read.expectTokenizer().encode("abcab")).containsExactly(37, 36);
            assertThat(read.expectTokenizer().leadingToken()).hasValue(39);
            GgufExport.of(read, GgufType.AS_STORED, TwoBits.KEPT).write(again, name -> {});
        }
        assertThat(new NaiveGguf(again).values("blk.1.attn_k.weight"))
                .isEqualTo(new NaiveGguf(folder.resolve("out.gguf")).values("blk.1.attn_k.weight"));
        assertThat(Files.readAllBytes(again)).isEqualTo(Files.readAllBytes(folder.resolve("out.gguf")));
    }

    @Test
    void adapterIsAFileOfItsOwnWithTheRowsOfBWhereItsLinearHasThem() throws IOException {
        RandomModel random = new RandomModel(5);
        ModelWeights weights = ExportedModel.random(5, (block, linear, out, in) -> {
            Dense base = random.dense(out, in);
            return linear == Linear.V ? base : random.adapted(base, 4, 2.5f);
        });
        NaiveGguf model = export(weights, GgufType.AS_STORED, TwoBits.KEPT);
        assertThat(model.tensors).doesNotContainKey("blk.0.attn_q.weight.lora_a");
        NaiveGguf file = new NaiveGguf(folder.resolve("out.lora.gguf"));
        assertThat(file.metadata.toString())
                .isEqualTo("{general.architecture=llama, general.type=adapter, general.name=model, adapter.type=lora,"
                        + " adapter.lora.alpha=10.0, general.file_type=1, general.quantization_version=2}");
        assertThat(file.tensors).hasSize(2 * 6 * 2).doesNotContainKey("blk.0.attn_v.weight.lora_a");
        assertThat(file.entry("blk.1.ffn_down.weight.lora_a").dimensions()).containsExactly(96L, 4L);
        assertThat(file.entry("blk.1.ffn_down.weight.lora_b").dimensions()).containsExactly(4L, 64L);
        for (Linear linear : List.of(Linear.Q, Linear.K, Linear.DOWN)) {
            LowRank adapted = (LowRank) weights.blocks().get(1).linear(linear);
            String name = GgufNames.linear(new LinearId(1, linear));
            assertThat(file.values(name + ".lora_a")).isEqualTo(adapted.a().toFloats());
            float[] b = file.values(name + ".lora_b");
            for (int i = 0; i < b.length; i++) {
                int row = linear == Linear.DOWN ? i / 4 : ExportedModel.fileRow(i / 4);
                assertThat(b[row * 4 + i % 4]).isEqualTo(adapted.b().get(i));
            }
        }
    }

    @Test
    void whatCannotBeWrittenIsRefusedAndLeavesNothingBehind() throws IOException {
        RandomModel random = new RandomModel(6);
        ModelWeights adapters = ExportedModel.random(
                6, (block, linear, out, in) -> random.adapted(random.dense(out, in), 4, linear == Linear.O ? 1 : 2));
        Checkpoint checkpoint = ExportedModel.checkpoint(folder.resolve("model"), adapters);
        Path file = folder.resolve("out.gguf");
        assertThatThrownBy(() ->
                        GgufExport.of(checkpoint, GgufType.F16, TwoBits.KEPT).write(file, name -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("0.o: got an adapter of alpha 4.0, want 8.0 as in all linears before it:"
                        + " a GGUF file states one");
        ModelWeights large = ExportedModel.random(6, (block, linear, out, in) -> {
            float[] values = new float[out * in];
            values[in + 2] = linear == Linear.GATE ? 70000 : 1;
            return Dense.ofFloats(out, in, values);
        });
        Checkpoint tooLarge = ExportedModel.checkpoint(folder.resolve("model"), large);
        assertThatThrownBy(() ->
                        GgufExport.of(tooLarge, GgufType.F16, TwoBits.KEPT).write(file, name -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("0.gate: got 70000.0 at [1, 2], want a number that F16 can hold; F32 does");
        ModelConfig narrow = new ModelConfig(64, 40, 2, 4, 2, 16, 40, 128, 10000, null, 1e-5, false);
        ModelWeights odd = random.weights(narrow, (block, linear, out, in) -> random.dense(out, in));
        Checkpoint oddRows = ExportedModel.checkpoint(folder.resolve("model"), odd);
        assertThatThrownBy(() -> GgufExport.of(oddRows, GgufType.Q8_0, TwoBits.KEPT))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("0.down: got rows of 40, want a multiple of 32 for Q8_0; F16 takes any");
        assertThatThrownBy(() -> GgufExport.adapterFile(Path.of("out.bin")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("out.bin: got a name without .gguf, want one that ends with it");
        try (var left = Files.list(folder)) {
            assertThat(left).containsExactly(folder.resolve("model"));
        }
    }

    @Test
    void groupThatFitsNowhereExactlyButInF32IsFoundByItsCodes() {
        RandomModel random = new RandomModel(8);
        GroupAffine weight = random.affine(8, 64, new Grid(8, 64, 100, 100));
        assertThat(RowEncoding.of("w", weight, GgufType.AS_STORED, TwoBits.KEPT).type())
                .isEqualTo(GgmlType.F32);
    }
}
