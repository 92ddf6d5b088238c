package dev.salient.format.gptq;

import dev.salient.format.aqlm.AqlmLinears;
import dev.salient.format.awq.AwqLinears;
import dev.salient.format.hf.HfWeights;
import dev.salient.format.hf.HfWeights.LinearReader;
import dev.salient.format.json.JsonObject;
import dev.salient.format.mos.MixtureLinears;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Reads the weights of a folder, packed or not, with its adapter where it has one. */
public final class GptqFolder {
    private GptqFolder() {}

    /**
     * All weights of a model folder.
     *
     * @param json its {@code config.json}
     * @param arena owns mapped files and repacked weights
     */
    public static ModelWeights read(Path folder, JsonObject json, ModelConfig config, Arena arena) throws IOException {
        return readOwn(folder, json, config, arena).withIntact(IntactFile.find(folder, json, config, arena));
    }

    private static ModelWeights readOwn(Path folder, JsonObject json, ModelConfig config, Arena arena)
            throws IOException {
        TensorStore store = TensorStore.open(folder, arena);
        LinearReader packed = findPacked(folder, json, store, arena);
        LinearReader others = packed == null ? HfWeights.dense(config, store) : packed;
        LinearReader linears = MixtureLinears.over(store, BlockLinears.over(store, others));
        @Nullable Path adapterFolder = PeftAdapter.findFolder(folder);
        if (adapterFolder == null) {
            return HfWeights.read(config, store, linears);
        }
        PeftAdapter adapter = PeftAdapter.open(adapterFolder, arena);
        ModelWeights weights = HfWeights.read(config, store, adapter.over(linears));
        adapter.expectAllRead();
        return weights;
    }

    /** The reader of packed linears; null where none are packed but those in GGUF's blocks or with scales that follow the token. */
    private static @Nullable LinearReader findPacked(Path folder, JsonObject json, TensorStore store, Arena arena)
            throws IOException {
        JsonObject quantization = json.findObject(GptqConfig.QUANTIZATION);
        if (quantization != null && AwqLinears.METHOD.equals(quantization.findString("quant_method"))) {
            return AwqLinears.of(quantization, store, arena);
        }
        if (quantization != null && AqlmLinears.METHOD.equals(quantization.findString("quant_method"))) {
            return AqlmLinears.of(quantization, store);
        }
        GptqConfig gptq = GptqConfig.find(folder, json);
        return gptq == null ? null : new GptqLinears(store, gptq, arena);
    }
}
