package dev.salient.format.gptq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.Verification;
import dev.salient.format.WeightError;
import dev.salient.format.gptq.RandomModel.Grid;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.json.JsonObject;
import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.GroupFormat;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.Rounding;
import dev.salient.packed.ScaledGroups;
import dev.salient.packed.SuperBlocks;
import dev.salient.packed.SuperFormat;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class GptqExportTest {
    private static final ModelConfig WIDE = new ModelConfig(256, 256, 1, 4, 2, 64, 40, 128, 10000, null, 1e-5, false);

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

    private void makeWide() throws IOException {
        JsonFiles.writeText(source.resolve("config.json"), """
                {"architectures": ["LlamaForCausalLM"], "hidden_size": 256, "intermediate_size": 256,
                 "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40,
                 "max_position_embeddings": 128, "rms_norm_eps": 1e-5}
                """);
    }

    private GptqExport export(ModelWeights weights, ZeroPoints zeroPoints) {
        return GptqExport.of(RandomModel.checkpoint(source, weights), zeroPoints, DType.F32);
    }

    private void assertSame(Path folder, ModelWeights want) throws IOException {
        try (Checkpoint read = Checkpoints.open(folder)) {
            Verification.Result result = Verification.compare(folder, want, read.weights());
            assertThat(result.equal()).isEqualTo(result.matrices());
        }
    }

    private static JsonObject quantization(Path folder) throws IOException {
        return JsonObject.read(folder.resolve("config.json")).expectObject("quantization_config");
    }

    @Test
    void zeroPointsAreStoredInEitherConvention() throws IOException {
        RandomModel model = new RandomModel(50);
        ModelWeights weights = model.weights(
                RandomModel.CONFIG, (b, l, out, in) -> model.adapted(model.affine(out, in, Grid.signed2(32)), 2, 1));
        Path first = temporary.resolve("first");
        assertThat(export(weights, ZeroPoints.GPTQ)
                        .write(first, "Nothing.", b -> {})
                        .isNone())
                .isTrue();
        assertThat(quantization(first).toNode())
                .hasToString("{\"quant_method\":\"gptq\",\"checkpoint_format\":\"gptq\",\"bits\":2,\"group_size\":32,"
                        + "\"desc_act\":false,\"sym\":false,\"lm_head\":false,\"pack_dtype\":\"int32\"}");
        assertSame(first, weights);
        Path second = temporary.resolve("second");
        try (Checkpoint read = Checkpoints.open(first)) {
            GptqExport.of(read, ZeroPoints.GPTQ_V2, DType.F16).write(second, "Nothing.", b -> {});
        }
        assertThat(quantization(second).findString("checkpoint_format")).isEqualTo("gptq_v2");
        assertSame(second, weights);
    }

    @Test
    void symmetricGridsStaySymmetricInEitherConvention() throws IOException {
        RandomModel model = new RandomModel(51);
        ModelWeights weights = model.weights(RandomModel.CONFIG, (b, l, out, in) -> {
            GroupAffine drawn = model.affine(out, in, new Grid(4, 32, 8, 8));
            byte[] scales = drawn.scales().toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
            for (int i = 1; i < scales.length; i += 2) {
                scales[i] &= 0x7F;
            }
            return new GroupAffine(out, in, 4, 32, drawn.codes(), MemorySegment.ofArray(scales), drawn.zeros());
        });
        Path folder = temporary.resolve("v2");
        export(weights, ZeroPoints.GPTQ_V2).write(folder, "Nothing.", b -> {});
        assertThat(quantization(folder).findString("checkpoint_format")).isEqualTo("gptq_v2");
        assertThat(quantization(folder).isTrue("sym")).isTrue();
        assertSame(folder, weights);
    }

    @ParameterizedTest
    @EnumSource(
            value = GroupFormat.class,
            mode = EnumSource.Mode.EXCLUDE,
            names = {"Q4_1", "Q5_1"})
    void groupsOfGgufKeepTheirValues(GroupFormat format) throws IOException {
        makeWide();
        Random random = new Random(52);
        RandomModel model = new RandomModel(53);
        ModelWeights weights = model.weights(WIDE, (b, l, out, in) -> groups(format, out, in, random));
        Path folder = temporary.resolve("q");
        export(weights, ZeroPoints.AUTO).write(folder, "Nothing.", b -> {});
        assertSame(folder, weights);
        try (Checkpoint read = Checkpoints.open(folder)) {
            assertThat(read.weights().blocks().getFirst().linear(Linear.Q)).isInstanceOf(GroupAffine.class);
        }
    }

    private static ScaledGroups groups(GroupFormat format, int out, int in, Random random) {
        byte[] data = new byte[out * in / format.groupSize() * format.byteCount()];
        random.nextBytes(data);
        MemorySegment segment = MemorySegment.ofArray(data);
        for (int at = 0; at < data.length; at += format.byteCount()) {
            float scale = at == 0 ? 0 : (float) random.nextGaussian();
            DType.F16.set(segment.asSlice(at + format.scaleAt(), 2), 0, scale);
        }
        return new ScaledGroups(out, in, format, segment);
    }

    @Test
    void embeddingInGroupsIsRoundedToThePlainTypeAndTheCostReturned() throws IOException {
        RandomModel model = new RandomModel(54);
        ModelWeights drawn =
                model.weights(RandomModel.CONFIG, (b, l, out, in) -> model.affine(out, in, Grid.any(2, 32)));
        ModelWeights weights = new ModelWeights(
                drawn.config(),
                Rounding.of(drawn.embedding(), GroupFormat.Q8_0),
                drawn.blocks(),
                drawn.finalNorm(),
                drawn.head());
        assertThat(export(weights, ZeroPoints.AUTO)
                        .write(temporary.resolve("exact"), "Nothing.", b -> {})
                        .isNone())
                .isTrue();
        assertSame(temporary.resolve("exact"), weights);
        WeightError error = GptqExport.of(RandomModel.checkpoint(source, weights), ZeroPoints.AUTO, DType.F16)
                .write(temporary.resolve("rounded"), "Nothing.", b -> {});
        assertThat(error.relative()).isBetween(1e-5, 3e-4);
    }

    @Test
    void whatTheFormatCannotHoldIsRefusedWithWhatCan() throws IOException {
        RandomModel model = new RandomModel(55);
        assertRefused(
                "0.q: got Q4_1, whose minima are no whole zero points, want a grid of scale and zero point;"
                        + " --to hf and --to gguf hold its values",
                model.weights(RandomModel.CONFIG, (b, l, out, in) -> groups(GroupFormat.Q4_1, out, in, new Random(1))));
        assertRefused(
                "0.q: got Q4_K, whose scales are in blocks, want a grid of scale and zero point;"
                        + " --to hf and --to gguf hold its values",
                model.weights(
                        WIDE,
                        (b, l, out, in) -> new SuperBlocks(
                                out, in, SuperFormat.Q4_K, MemorySegment.ofArray(new byte[out * in / 256 * 144]))));
        assertRefused(
                source + ": got no quantized linear, want a quantized model; --to hf writes plain numbers",
                model.weights(RandomModel.CONFIG, (b, l, out, in) -> model.dense(out, in)));
        ModelConfig odd = new ModelConfig(64, 104, 1, 4, 2, 16, 40, 128, 10000, null, 1e-5, false);
        assertRefused(
                "0.gate: got [104, 64] in 2 bits, want rows and columns that fill whole 32-bit words;"
                        + " --to hf and --to gguf hold its values",
                model.weights(odd, (b, l, out, in) -> model.affine(out, in, Grid.any(2, l == Linear.DOWN ? 104 : 64))));
        ModelWeights zero =
                model.weights(RandomModel.CONFIG, (b, l, out, in) -> model.affine(out, in, new Grid(2, 32, 0, 0)));
        assertThatThrownBy(() -> export(zero, ZeroPoints.GPTQ))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageMatching("0\\.q: got zero point 0 at \\[\\d+, \\d+\\], which can't be stored less 1;"
                        + " want --zero-points gptq_v2");
        float[] third = {1f / 3};
        assertRefused(
                "0.q adapter a: got 0.33333334 at 0, want numbers that F16 holds; --to hf --adapters peft keeps F32",
                model.weights(RandomModel.CONFIG, (b, l, out, in) -> {
                    PackedWeight base = model.affine(out, in, Grid.any(2, 32));
                    Tensor a = Tensor.ofFloats(Shape.of(1, in), java.util.Arrays.copyOf(third, in));
                    return new LowRank(base, a, Tensor.ofFloats(Shape.of(out, 1), new float[out]), 1);
                }));
    }

    private void assertRefused(String message, ModelWeights weights) {
        assertThatThrownBy(() -> export(weights, ZeroPoints.AUTO))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }
}
