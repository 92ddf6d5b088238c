package dev.salient.format.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.FamilyModel;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.ModelWeights;
import dev.salient.model.PackedLanguageModel;
import dev.salient.tokenizer.Tokenizers;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Arrays;
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
