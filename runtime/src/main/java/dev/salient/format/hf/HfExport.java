package dev.salient.format.hf;

import dev.salient.format.Adapters;
import dev.salient.format.Checkpoint;
import dev.salient.format.WeightError;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.Shards;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * A model as a dense Hugging Face folder, which Transformers loads with nothing else: the values that its codes stand for,
 * as plain numbers.
 *
 * @param dtype of every matrix; norms stay as they are
 * @param adapters what becomes of them
 * @param shardBytes files hold no more than this, unless one tensor is larger
 */
public record HfExport(Checkpoint checkpoint, DType dtype, Adapters adapters, long shardBytes) {
    /** What hubs and programs like: files of 4 GB. */
    public static final long SHARD_BYTES = 4_000_000_000L;

    public HfExport {
        checkpoint.requireExportable(
                "hf", "which no plain weight equals: want a model of --grid binary, or this folder as it is");
    }

    /** Tensors that will be written. */
    public int tensorCount() {
        return tensors(new WeightError()).size();
    }

    /**
     * Writes the folder, which is made where it isn't there; {@code config.json} comes last, so a folder that has one is
     * complete.
     *
     * @param note what was done, for the model card
     * @param done hears the name of each tensor that is written
     * @return what rounding to {@code dtype} cost
     */
    public WeightError write(Path folder, String note, Consumer<String> done) throws IOException {
        Files.createDirectories(folder);
        WeightError error = new WeightError();
        Map<String, Payload> tensors = new LinkedHashMap<>();
        tensors(error).forEach((name, payload) -> tensors.put(name, payload.then(() -> done.accept(name))));
        Shards.write(folder, tensors, shardBytes);
        HfCopy copy = new HfCopy(checkpoint, folder);
        copy.copyBesides(note);
        var config = copy.config();
        for (String stale : List.of("quantization_config", "dtype")) {
            config.remove(stale);
        }
        config.put("torch_dtype", nameOf(dtype));
        JsonFiles.write(folder.resolve(HfFolder.CONFIG), config);
        return error;
    }

    /** PyTorch's name of a type. */
    private static String nameOf(DType dtype) {
        return switch (dtype) {
            case F32 -> "float32";
            case F16 -> "float16";
            case BF16 -> "bfloat16";
        };
    }

    private Map<String, Payload> tensors(WeightError error) {
        return new DenseTensors(dtype, this::written, error).of(checkpoint.weights());
    }

    private PackedWeight written(PackedWeight weight) {
        return weight instanceof LowRank adapted && adapters == Adapters.APART ? adapted.base() : weight;
    }
}
