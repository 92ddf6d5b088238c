package dev.salient.format.safetensors;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes a model's tensors: into one file, or into several with an index where one would be too large. */
public final class Shards {
    private static final Map<String, String> METADATA = Map.of("format", "pt");

    private Shards() {}

    /**
     * Writes all tensors of a folder.
     *
     * @param shardBytes the most data in one file, unless one tensor is larger
     */
    public static void write(Path folder, Map<String, Payload> tensors, long shardBytes) throws IOException {
        List<Map<String, Payload>> shards = split(tensors, shardBytes);
        if (shards.size() == 1) {
            SafetensorsWriter.write(folder.resolve(TensorStore.SINGLE), METADATA, tensors);
            return;
        }
        Map<String, String> places = new LinkedHashMap<>();
        long bytes = 0;
        for (int s = 0; s < shards.size(); s++) {
            String name = "model-%05d-of-%05d.safetensors".formatted(s + 1, shards.size());
            SafetensorsWriter.write(folder.resolve(name), METADATA, shards.get(s));
            for (Map.Entry<String, Payload> tensor : shards.get(s).entrySet()) {
                places.put(tensor.getKey(), name);
                bytes += tensor.getValue().byteCount();
            }
        }
        writeIndex(folder, places, bytes);
    }

    private static List<Map<String, Payload>> split(Map<String, Payload> tensors, long shardBytes) {
        List<Map<String, Payload>> shards = new ArrayList<>();
        shards.add(new LinkedHashMap<>());
        long bytes = 0;
        for (Map.Entry<String, Payload> tensor : tensors.entrySet()) {
            long more = tensor.getValue().byteCount();
            if (bytes > 0 && bytes + more > shardBytes) {
                shards.add(new LinkedHashMap<>());
                bytes = 0;
            }
            shards.getLast().put(tensor.getKey(), tensor.getValue());
            bytes += more;
        }
        return shards;
    }

    /**
     * Writes the index of a folder.
     *
     * @param places the file of each tensor
     * @param bytes of all tensors
     */
    public static void writeIndex(Path folder, Map<String, String> places, long bytes) throws IOException {
        ObjectNode index = JsonNodeFactory.instance.objectNode();
        index.putObject("metadata").put("total_size", bytes);
        ObjectNode weights = index.putObject("weight_map");
        places.forEach(weights::put);
        JsonFiles.write(folder.resolve(TensorStore.INDEX), index);
    }
}
