package dev.salient.format.hf;

import dev.salient.format.json.JsonFiles;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.model.BlockWeights;
import dev.salient.model.Family;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelWeights;
import dev.salient.model.Norm;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** Writes a model that is not quantized: {@code config.json} and fp16 weights in one file. */
public final class DenseFolder {
    private static final String WEIGHTS = "model.safetensors";

    private final Map<String, Payload> tensors = new LinkedHashMap<>();

    private DenseFolder() {}

    /** Writes the two files into a folder, which is made where it isn't there. */
    public static void write(Path folder, ModelWeights weights) throws IOException {
        Files.createDirectories(folder);
        DenseFolder files = new DenseFolder();
        files.add(weights);
        SafetensorsWriter.write(folder.resolve(WEIGHTS), Map.of("format", "pt"), files.tensors);
        JsonFiles.write(folder.resolve(HfFolder.CONFIG), HfConfigJson.of(weights.config()));
    }

    private void add(ModelWeights weights) {
        add(HfNames.EMBEDDING, weights.embedding());
        for (int b = 0; b < weights.blocks().size(); b++) {
            BlockWeights block = weights.blocks().get(b);
            Family family = weights.config().family();
            for (Norm norm : weights.config().norms()) {
                add(HfNames.norm(b, norm, family), HfGains.stored(block.norm(norm), family));
            }
            for (Linear linear : Linear.values()) {
                String module = HfNames.module(new LinearId(b, linear));
                add(module + ".weight", block.linear(linear));
                Tensor bias = block.findBias(linear);
                if (bias != null) {
                    add(module + ".bias", bias);
                }
            }
        }
        add(
                HfNames.FINAL_NORM,
                HfGains.stored(weights.finalNorm(), weights.config().family()));
        if (!weights.config().tiedEmbeddings()) {
            add(HfNames.HEAD, weights.head());
        }
    }

    private void add(String name, PackedWeight weight) {
        float[] values = new float[Math.multiplyExact(weight.out(), weight.in())];
        for (int row = 0; row < weight.out(); row++) {
            weight.decodeRow(row, values, row * weight.in());
        }
        add(name, Tensor.ofFloats(Shape.of(weight.out(), weight.in()), values));
    }

    private void add(String name, Tensor tensor) {
        int count = Math.toIntExact(tensor.shape().elementCount());
        MemorySegment halves = MemorySegment.ofArray(new byte[count * DType.F16.byteCount()]);
        for (int i = 0; i < count; i++) {
            DType.F16.set(halves, i, tensor.get(i));
        }
        tensors.put(name, Payload.of(StoredType.F16, tensor.shape(), halves));
    }
}
