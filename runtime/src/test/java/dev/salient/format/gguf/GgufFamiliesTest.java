package dev.salient.format.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.FamilyModel;
import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.model.PackedLanguageModel;
import dev.salient.tensor.Tensor;
import dev.salient.tokenizer.Tokenizers;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GgufFamiliesTest {
    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource({
        "llama3, llama, 64",
        "llama-bias, llama, 64",
        "mistral, llama, 7",
        "qwen2, qwen2, 64",
        "qwen2-window, qwen2, 5",
        "qwen2-yarn, qwen2, 64",
        "qwen3, qwen3, 64",
        "phi3, llama, 11",
        "gemma2, gemma2, 64",
        "gemma3, gemma3, 64"
    })
    void exportedFileGivesTheSameLogitsWithinItsContext(String family, String architecture, int context)
            throws IOException {
        FamilyModel model = FamilyModel.of(family);
        if (family.equals("gemma2")) { // the file can't say another
            model.config().put("query_pre_attn_scalar", 32);
        }
        int[] ids = Arrays.copyOf(model.ids(), Math.min(context, model.ids().length));
        Path file = export(model);
        try (Arena arena = Arena.ofConfined();
                Checkpoint original = Checkpoints.open(folder.resolve("hf"));
                Checkpoint exported = Checkpoints.open(file)) {
            assertThat(GgufFile.open(file, arena).findText("general.architecture"))
                    .isEqualTo(architecture);
            assertThat(exported.weights().config().contextLength()).isEqualTo(context);
            assertThat(exported.weights().config().traits().biased())
                    .isEqualTo(original.weights().config().traits().biased());
            float[] want = logits(original.weights(), ids);
            float[] got = logits(exported.weights(), ids);
            for (int i = 0; i < want.length; i++) {
                // constants are fp32 in the file
                assertThat(got[i]).as("%s, token %d", family, i).isCloseTo(want[i], within(3e-5f));
            }
        }
    }

    @Test
    void attentionScaleThatLlamaCppDoesNotTakeIsRefused() throws IOException {
        assertThatThrownBy(() -> export(FamilyModel.of("gemma2")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "GGUF architecture gemma2: got attention scale 0.204124, want 0.176777, the only one that it"
                                + " has");
    }

    @Test
    void phi3sFusedTensorsAreRead() throws IOException {
        FamilyModel model = FamilyModel.of("phi3");
        Path source = model.write(folder.resolve("hf"));
        Path file = folder.resolve("m.gguf");
        try (Arena arena = Arena.ofShared();
                Checkpoint original = Checkpoints.open(source)) {
            writePhi3(file, SafetensorsFile.open(source.resolve("model.safetensors"), arena), original.weights());
            try (Checkpoint read = Checkpoints.open(file)) {
                assertThat(read.weights().config().traits())
                        .isEqualTo(original.weights().config().traits());
                float[] want = logits(original.weights(), model.ids());
                float[] got = logits(read.weights(), model.ids());
                for (int i = 0; i < want.length; i++) {
                    assertThat(got[i]).isCloseTo(want[i], within(3e-5f));
                }
            }
        }
    }

    /** As llama.cpp's converter names and fuses tensors. */
    private static void writePhi3(Path file, SafetensorsFile from, ModelWeights weights) throws IOException {
        ModelConfig config = weights.config();
        GgufMetadata metadata = new GgufMetadata();
        metadata.put("general.architecture", "phi3");
        metadata.put("phi3.block_count", config.blockCount());
        metadata.put("phi3.context_length", 256);
        metadata.put("phi3.rope.scaling.original_context_length", 64);
        metadata.put("phi3.rope.scaling.attn_factor", (float)
                Objects.requireNonNull(config.ropeScaling()).magnitude());
        metadata.put("phi3.embedding_length", config.hiddenSize());
        metadata.put("phi3.feed_forward_length", config.ffnSize());
        metadata.put("phi3.attention.head_count", config.headCount());
        metadata.put("phi3.attention.head_count_kv", config.kvHeadCount());
        metadata.put("phi3.attention.layer_norm_rms_epsilon", (float) config.normEpsilon());
        metadata.put("phi3.attention.sliding_window", 11);
        List<GgufPayload> tensors = new ArrayList<>();
        float[] divisors = RopeFactors.divisors(config, config.ropeScaling());
        tensors.add(GgufPayload.vector("rope_factors_short.weight", divisors));
        tensors.add(GgufPayload.vector("rope_factors_long.weight", divisors));
        for (String name : from.tensors().keySet()) {
            StoredTensor stored = from.tensors().get(name);
            int[] shape = stored.shape().dimensions().stream()
                    .mapToInt(Integer::intValue)
                    .toArray();
            String renamed = name.replace("model.layers.", "blk.")
                    .replace("self_attn.qkv_proj", "attn_qkv")
                    .replace("self_attn.o_proj", "attn_output")
                    .replace("mlp.gate_up_proj", "ffn_up")
                    .replace("mlp.down_proj", "ffn_down")
                    .replace("input_layernorm", "attn_norm")
                    .replace("post_attention_layernorm", "ffn_norm")
                    .replace("model.embed_tokens", "token_embd")
                    .replace("model.norm", "output_norm")
                    .replace("lm_head", "output");
            Tensor values = stored.expectReal(shape);
            tensors.add(
                    shape.length == 1
                            ? GgufPayload.vector(renamed, values.toFloats())
                            : GgufPayload.matrix(renamed, values, RowOrder.same()));
        }
        GgufWriter.write(file, metadata, tensors, written -> {});
    }

    private Path export(FamilyModel model) throws IOException {
        Path source = model.write(folder.resolve("hf"));
        Tokenizers.writeJson(ExportedModel.vocabulary(), source, ExportedModel.TEMPLATE);
        Path file = folder.resolve("m.gguf");
        try (Checkpoint checkpoint = Checkpoints.open(source)) {
            GgufExport.of(checkpoint, GgufType.AS_STORED, TwoBits.KEPT).write(file, name -> {});
        }
        return file;
    }

    private static float[] logits(ModelWeights weights, int[] ids) {
        try (PackedLanguageModel model = new PackedLanguageModel(weights, 2);
                KvCache cache = model.newCache(ids.length)) {
            return model.forwardLast(ids, cache);
        }
    }
}
