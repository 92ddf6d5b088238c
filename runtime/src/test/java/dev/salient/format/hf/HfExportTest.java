package dev.salient.format.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.Adapters;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.MismatchException;
import dev.salient.format.Verification;
import dev.salient.format.WeightError;
import dev.salient.format.gptq.AdapterFiles;
import dev.salient.format.gptq.RandomModel;
import dev.salient.format.gptq.RandomModel.Grid;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.json.JsonObject;
import dev.salient.model.Linear;
import dev.salient.model.ModelWeights;
import dev.salient.packed.Dense;
import dev.salient.packed.LowRank;
import dev.salient.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HfExportTest {
    @TempDir
    Path temporary;

    private Path source;
    private final RandomModel model = new RandomModel(40);
    private final ModelWeights adapted = model.weights(
            RandomModel.CONFIG, (b, l, out, in) -> model.adapted(model.affine(out, in, Grid.signed2(32)), 4, 0.25f));

    @BeforeEach
    void makeSource() throws IOException {
        source = Files.createDirectory(temporary.resolve("source"));
        JsonFiles.writeText(source.resolve("config.json"), """
                {"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 96,
                 "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40,
                 "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "eos_token_id": 2, "dtype": "bfloat16",
                 "quantization_config": {"quant_method": "gptq", "bits": 2, "group_size": 32}}
                """);
    }

    private HfExport export(ModelWeights weights, DType dtype, Adapters adapters, long shardBytes) {
        return new HfExport(RandomModel.checkpoint(source, weights), dtype, adapters, shardBytes);
    }

    @Test
    void codesBecomeTheNumbersTheyStandForAndTheConfigurationSaysNothingOfThem() throws IOException {
        Path folder = temporary.resolve("dense");
        List<String> names = new ArrayList<>();
        HfExport export = export(adapted, DType.F32, Adapters.MERGED, HfExport.SHARD_BYTES);
        WeightError error = export.write(folder, "Nothing.", names::add);
        assertThat(error.isNone()).isTrue();
        assertThat(names).hasSize(export.tensorCount()).contains("model.layers.1.mlp.down_proj.weight");
        JsonObject config = JsonObject.read(folder.resolve("config.json"));
        assertThat(config.keys()).doesNotContain("quantization_config", "dtype");
        assertThat(config.findString("torch_dtype")).isEqualTo("float32");
        try (Checkpoint read = Checkpoints.open(folder)) {
            assertThat(read.weights().blocks().getFirst().linear(Linear.Q)).isInstanceOf(Dense.class);
            Verification.Result result = Verification.compare(folder, adapted, read.weights());
            assertThat(result.equal()).isEqualTo(result.matrices()).isEqualTo(2 * 9 + 3);
        }
        assertThat(folder.resolve("model.safetensors.index.json")).doesNotExist();
    }

    @Test
    void largeModelsGoIntoShardsWithAnIndex() throws IOException {
        Path folder = temporary.resolve("sharded");
        export(adapted, DType.F16, Adapters.MERGED, 20_000).write(folder, "Nothing.", name -> {});
        JsonObject index = JsonObject.read(folder.resolve("model.safetensors.index.json"));
        long bytes = 2 * (2L * 40 * 64 + 2 * (64 * 64 * 2 + 2 * 32 * 64 + 3 * 64 * 96)) + 4 * 5 * 64;
        assertThat(index.expectObject("metadata").expectInt("total_size")).isEqualTo((int) bytes);
        assertThat(index.expectObject("weight_map").expectString("lm_head.weight"))
                .isEqualTo("model-00010-of-00010.safetensors");
        assertThat(folder.resolve("model.safetensors")).doesNotExist();
        try (Checkpoint read = Checkpoints.open(folder)) {
            Verification.Result result = Verification.compare(folder, adapted, read.weights());
            assertThat(result.equal()).isEqualTo(5);
            assertThat(result.error().relative()).isBetween(1e-4, 3e-4);
        }
    }

    @Test
    void adaptersMayStayAdapters() throws IOException {
        Path folder = temporary.resolve("apart");
        export(adapted, DType.F16, Adapters.APART, HfExport.SHARD_BYTES).write(folder, "Nothing.", name -> {});
        AdapterFiles.of(adapted).write(folder);
        try (Checkpoint read = Checkpoints.open(folder)) {
            assertThat(read.weights().blocks().get(1).linear(Linear.UP)).isInstanceOf(LowRank.class);
            Verification.Result result = Verification.compare(folder, adapted, read.weights());
            // embeddings and head are F32 here
            assertThat(result.matrices() - result.equal()).isEqualTo(2);
        }
    }

    @Test
    void numberThatHalfCannotHoldIsRefusedAndLeavesNoModelBehind() {
        ModelWeights large = model.weights(RandomModel.CONFIG, (b, l, out, in) -> {
            float[] values = new float[out * in];
            values[in + 1] = l == Linear.V ? 1e6f : 1;
            return Dense.ofFloats(out, in, values);
        });
        Path folder = temporary.resolve("large");
        HfExport export = export(large, DType.F16, Adapters.MERGED, HfExport.SHARD_BYTES);
        assertThatThrownBy(() -> export.write(folder, "Nothing.", name -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("0.v: got 1000000.0 at [1, 1], want a number that F16 can hold; --dtype f32 holds it");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void weightThatIsNeitherTheSameNorTheNearestIsFound() throws IOException {
        ModelWeights other = model.weights(RandomModel.CONFIG, (b, l, out, in) -> model.dense(out, in));
        Path folder = temporary.resolve("other");
        export(other, DType.F16, Adapters.MERGED, HfExport.SHARD_BYTES).write(folder, "Nothing.", name -> {});
        try (Checkpoint read = Checkpoints.open(folder)) {
            ModelWeights written = read.weights();
            assertThat(Verification.compare(folder, other, written).equal()).isEqualTo(5);
            float want = ((Dense) adapted.embedding()).values().get(0);
            float got = ((Dense) written.embedding()).values().get(0);
            float nearest = Float.float16ToFloat(Float.floatToFloat16(want));
            assertThatThrownBy(() -> Verification.compare(folder, adapted, written))
                    .isInstanceOf(MismatchException.class)
                    .hasMessage(folder + ": embedding: read back " + got + " at [0, 0], want " + nearest);
        }
    }
}
