package dev.salient.format;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * A tiny random model of a family, and the logits that Transformers computed for it in double precision.
 *
 * <p>A file of {@code families} holds its configuration as Transformers writes it, names and shapes of its tensors, token
 * ids and logits. The weights follow from the tensors' names: {@code center + width * u}, u in [-0.5, 0.5) from a hash of
 * name and place, exact in fp16.
 */
public final class FamilyModel {
    private static final Path FILES = Path.of("src/test/resources/families");

    private final JsonNode json;

    private FamilyModel(JsonNode json) {
        this.json = json;
    }

    public static FamilyModel of(String name) throws IOException {
        return new FamilyModel(new JsonMapper().readTree(Files.readAllBytes(FILES.resolve(name + ".json"))));
    }

    /** The configuration, to be changed before {@link #write}. */
    public ObjectNode config() {
        return (ObjectNode) json.get("config");
    }

    public int[] ids() {
        int[] ids = new int[json.get("ids").size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = json.get("ids").get(i).intValue();
        }
        return ids;
    }

    /** Transformers' logits after some of the tokens, by position. */
    public Map<Integer, double[]> logits() {
        Map<Integer, double[]> logits = new TreeMap<>();
        json.get("logits").properties().forEach(row -> {
            double[] values = new double[row.getValue().size()];
            for (int i = 0; i < values.length; i++) {
                values[i] = row.getValue().get(i).doubleValue();
            }
            logits.put(Integer.valueOf(row.getKey()), values);
        });
        return logits;
    }

    /** Writes configuration and weights as Transformers would. */
    public Path write(Path folder) throws IOException {
        Files.createDirectories(folder);
        Map<String, Payload> tensors = new LinkedHashMap<>();
        json.get("tensors").properties().forEach(it -> tensors.put(it.getKey(), payload(it.getKey(), it.getValue())));
        SafetensorsWriter.write(folder.resolve("model.safetensors"), Map.of("format", "pt"), tensors);
        Files.writeString(folder.resolve("config.json"), json.get("config").toString());
        return folder;
    }

    private static Payload payload(String name, JsonNode tensor) {
        int[] dimensions = new int[tensor.get("shape").size()];
        int count = 1;
        for (int i = 0; i < dimensions.length; i++) {
            dimensions[i] = tensor.get("shape").get(i).intValue();
            count *= dimensions[i];
        }
        float center = tensor.get("center").floatValue();
        float width = tensor.get("width").floatValue();
        float[] values = new float[count];
        int seed = hash(name);
        for (int i = 0; i < count; i++) {
            values[i] = center + width * (mixed(seed + i * 0x9E3779B9) * 0x1p-10f - 0.5f);
        }
        Tensor stored = Tensor.ofFloats(Shape.of(dimensions), values);
        return Payload.of(StoredType.F32, stored.shape(), stored.data());
    }

    /** FNV-1a. */
    private static int hash(String name) {
        int hash = 0x811C9DC5;
        for (int i = 0; i < name.length(); i++) {
            hash = (hash ^ name.charAt(i)) * 0x01000193;
        }
        return hash;
    }

    /** 10 well mixed bits: fp16 holds the weights made of them. */
    private static int mixed(int x) {
        x = (x ^ (x >>> 16)) * 0x7FEB352D;
        x = (x ^ (x >>> 15)) * 0x846CA68B;
        return (x ^ (x >>> 16)) >>> 22;
    }
}
