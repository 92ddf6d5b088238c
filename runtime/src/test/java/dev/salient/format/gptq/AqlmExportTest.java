package dev.salient.format.gptq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.Verification;
import dev.salient.format.gptq.RandomModel.Grid;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.json.JsonObject;
import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.model.Linear;
import dev.salient.model.ModelWeights;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Folders of codebooks, by {@link AqlmExport} and as runs write them. */
class AqlmExportTest {
    @TempDir
    Path temporary;

    private Path source;

    @BeforeEach
    void makeSource() throws IOException {
        source = Files.createDirectory(temporary.resolve("source"));
        JsonFiles.writeText(source.resolve("config.json"), """
                {"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 96,
                 "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40,
                 "max_position_embeddings": 128, "rms_norm_eps": 1e-5}
                """);
    }

    private Path export(ModelWeights weights) throws IOException {
        Path folder = temporary.resolve("aqlm");
        AqlmExport.of(RandomModel.checkpoint(source, weights), DType.F16).write(folder, "Nothing.", b -> {});
        return folder;
    }

    private static void assertSame(Path folder, ModelWeights want) throws IOException {
        try (Checkpoint read = Checkpoints.open(folder)) {
            Verification.Result result = Verification.compare(folder, want, read.weights());
            assertThat(result.equal()).isEqualTo(result.matrices());
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 8, 8", "2, 8, 8", "1, 16, 8", "2, 12, 16"})
    void codebooksAreReadBackAsTheyWere(int count, int bits, int groupSize) throws IOException {
        RandomModel model = new RandomModel(70);
        Shape shape = Shape.of(count, 1 << bits, groupSize);
        ModelWeights weights = model.weights(RandomModel.CONFIG, (b, l, out, in) -> model.codebooks(out, in, shape));
        Path folder = export(weights);
        assertThat(JsonObject.read(folder.resolve("config.json"))
                        .expectObject("quantization_config")
                        .toNode())
                .hasToString("{\"quant_method\":\"aqlm\",\"num_codebooks\":" + count + ",\"nbits_per_codebook\":" + bits
                        + ",\"in_group_size\":" + groupSize + ",\"out_group_size\":1,"
                        + "\"linear_weights_not_to_quantize\":[\"lm_head\",\"lm_head.weight\"]}");
        assertThat(folder.resolve("quantize_config.json")).doesNotExist();
        assertSame(folder, weights);
    }

    /** Codes 0, 255, 128 and 1 are the bytes 0, -1, -128 and 1; numbers are fp16, little-endian. */
    @Test
    void bytesOfALinear() throws IOException {
        RandomModel model = new RandomModel(71);
        ModelWeights weights = model.weights(RandomModel.CONFIG, (b, l, out, in) -> {
            int[] codes = new int[out * (in / 32)];
            codes[1] = 255;
            codes[2] = 128;
            codes[3] = 1;
            float[] codebooks = new float[256 * 32];
            codebooks[0] = 1;
            codebooks[33] = -2;
            float[] scales = new float[out];
            scales[1] = 0.5f;
            return AdditiveCodebook.of(Shape.of(1, 256, 32), codes, codebooks, scales);
        });
        try (Arena arena = Arena.ofConfined()) {
            String name = "model-00001-of-00003.safetensors";
            TensorStore shard =
                    TensorStore.of(name, SafetensorsFile.open(export(weights).resolve(name), arena));
            String q = "model.layers.0.self_attn.q_proj.";
            assertBytes(shard.expect(q + "codes"), "I8 [64, 2, 1]", "00ff80010000");
            assertBytes(shard.expect(q + "scales"), "F16 [64, 1, 1, 1]", "000000380000");
            StoredTensor codebooks = shard.expect(q + "codebooks");
            assertBytes(codebooks, "F16 [1, 256, 1, 32]", "003c00000000");
            assertThat(codebooks.data().asSlice(66, 2).toArray(ValueLayout.JAVA_BYTE))
                    .containsExactly(0x00, (byte) 0xC0);
        }
    }

    private static void assertBytes(StoredTensor tensor, String form, String first) {
        assertThat(tensor.type() + " " + tensor.shape()).isEqualTo(form);
        byte[] bytes = tensor.data().asSlice(0, first.length() / 2).toArray(ValueLayout.JAVA_BYTE);
        assertThat(HexFormat.of().formatHex(bytes)).isEqualTo(first);
    }

    @Test
    void plainLinearsAndAdaptersComeAlong() throws IOException {
        RandomModel model = new RandomModel(72);
        Shape shape = Shape.of(2, 256, 8);
        ModelWeights weights = model.weights(
                RandomModel.CONFIG,
                (b, l, out, in) -> b == 1 && l == Linear.DOWN
                        ? model.dense(out, in)
                        : model.adapted(model.codebooks(out, in, shape), 2, 1));
        Path folder = export(weights);
        assertThat(JsonObject.read(folder.resolve("config.json"))
                        .expectObject("quantization_config")
                        .find("linear_weights_not_to_quantize"))
                .hasToString("[\"lm_head\",\"lm_head.weight\",\"model.layers.1.mlp.down_proj\","
                        + "\"model.layers.1.mlp.down_proj.weight\"]");
        assertSame(folder, weights);
        try (Checkpoint read = Checkpoints.open(folder)) {
            assertThat(Checkpoints.describe(read).linearFormats()).containsOnlyKeys("2x8 g8 + r2", "F32");
        }
    }

    @Test
    void blockOfARunIsReadToGoOnAfterIt() throws IOException {
        RandomModel model = new RandomModel(73);
        ModelWeights weights =
                model.weights(RandomModel.CONFIG, (b, l, out, in) -> model.codebooks(out, in, Shape.of(2, 16, 8)));
        QuantizedFolder folder =
                QuantizedFolder.open(temporary.resolve("run"), RandomModel.checkpoint(source, weights));
        folder.writeBlock(0, weights.blocks().getFirst());
        try (Arena arena = Arena.ofShared()) {
            PackedWeight read = folder.readBlock(0, arena).linear(Linear.UP);
            PackedWeight want = weights.blocks().getFirst().linear(Linear.UP);
            float[] got = new float[64];
            float[] row = new float[64];
            for (int o = 0; o < want.out(); o++) {
                read.decodeRow(o, got, 0);
                want.decodeRow(o, row, 0);
                assertThat(got).isEqualTo(row);
            }
        }
    }

    private void assertRefused(RandomModel.Maker maker, String message) {
        ModelWeights weights = new RandomModel(74).weights(RandomModel.CONFIG, maker);
        assertThatThrownBy(() -> export(weights))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }

    @Test
    void whatTheFormatCannotHoldIsRefused() {
        RandomModel model = new RandomModel(75);
        assertRefused(
                (b, l, out, in) -> model.codebooks(out, in, Shape.of(b == 1 && l == Linear.UP ? 1 : 2, 256, 8)),
                "1.up: got codebooks of 1x8 g8, want 2x8 g8 as the linears before; --to hf and --to gguf hold its values");
        assertRefused(
                (b, l, out, in) -> model.affine(out, in, Grid.signed2(32)),
                "0.q: got 2 bit g32, want codebooks; --to gptq, --to gguf and --to hf write grids");
        assertRefused(
                (b, l, out, in) -> model.dense(out, in),
                source + ": got no linear of codebooks, want a model that has them; --to hf writes plain numbers");
    }

    @Test
    void gptqFoldersHoldNoCodebooks() {
        RandomModel model = new RandomModel(76);
        ModelWeights weights =
                model.weights(RandomModel.CONFIG, (b, l, out, in) -> model.codebooks(out, in, Shape.of(1, 256, 8)));
        assertThatThrownBy(() -> GptqExport.of(RandomModel.checkpoint(source, weights), ZeroPoints.AUTO, DType.F16))
                .hasMessage("0.q: got codebooks, want a grid of scale and zero point; --to aqlm keeps them,"
                        + " --to hf and --to gguf hold their values");
    }
}
