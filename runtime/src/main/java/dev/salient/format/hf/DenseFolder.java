package dev.salient.format.hf;

import dev.salient.format.WeightError;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.safetensors.Shards;
import dev.salient.model.ModelWeights;
import dev.salient.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.UnaryOperator;

/** Writes a model that is not quantized: {@code config.json} and fp16 weights in one file. */
public final class DenseFolder {
    private DenseFolder() {}

    /** Writes the two files into a folder, which is made where it isn't there. */
    public static void write(Path folder, ModelWeights weights) throws IOException {
        Files.createDirectories(folder);
        DenseTensors tensors = new DenseTensors(DType.F16, UnaryOperator.identity(), new WeightError());
        Shards.write(folder, tensors.of(weights), Long.MAX_VALUE);
        JsonFiles.write(folder.resolve(HfFolder.CONFIG), HfConfigJson.of(weights.config()));
    }
}
