package dev.salient.format.hf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.format.Adapters;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.FamilyModel;
import dev.salient.format.Verification;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.ModelWeights;
import dev.salient.model.PackedLanguageModel;
import dev.salient.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HfExportFamiliesTest {
    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"llama-bias", "mistral", "qwen2", "qwen2-yarn", "qwen3", "phi3", "gemma2", "gemma3"})
    void writtenFolderIsTheSameModel(String family) throws IOException {
        FamilyModel model = FamilyModel.of(family);
        Path target = folder.resolve("out");
        try (Checkpoint original = Checkpoints.open(model.write(folder.resolve("hf")))) {
            new HfExport(original, DType.F16, Adapters.MERGED, HfExport.SHARD_BYTES)
                    .write(target, "A copy.", name -> {});
            try (Checkpoint written = Checkpoints.open(target)) {
                assertThat(written.weights().config())
                        .isEqualTo(original.weights().config());
                Verification.Result result = Verification.compare(target, original.weights(), written.weights());
                assertThat(result.equal()).isEqualTo(result.matrices());
                assertThat(logits(written.weights(), model.ids())).isEqualTo(logits(original.weights(), model.ids()));
            }
        }
    }

    private static float[] logits(ModelWeights weights, int[] ids) throws IOException {
        try (PackedLanguageModel model = new PackedLanguageModel(weights, 2);
                KvCache cache = model.newCache(ids.length)) {
            return model.forwardLast(ids, cache);
        }
    }
}
