package dev.salient.pipeline;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
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
import java.util.Random;

/** A Hugging Face folder with a random model of a family over bytes: sizes and names of the runtime's oracles. */
public final class TinyFamily {
    private static final int VOCAB = 256;

    private TinyFamily() {}

    /** Writes it. */
    public static void write(Path folder, String family) throws IOException {
        Files.createDirectories(folder);
        JsonNode json = new ObjectMapper()
                .readTree(Path.of("../runtime/src/test/resources/families", family + ".json")
                        .toFile());
        Random random = new Random(3);
        Map<String, Payload> tensors = new LinkedHashMap<>();
        json.get("tensors").properties().forEach(it -> tensors.put(it.getKey(), payload(it.getValue(), random)));
        SafetensorsWriter.write(folder.resolve("model.safetensors"), Map.of("format", "pt"), tensors);
        ObjectNode config = (ObjectNode) json.get("config");
        config.put("vocab_size", VOCAB);
        Files.writeString(folder.resolve("config.json"), config.toString());
        Files.writeString(
                folder.resolve("tokenizer.json"), TinyLlama.tokenizer().toString());
    }

    /** Numbers of 10 bits around a centre, so that rounding to fp16 changes nothing. */
    private static Payload payload(JsonNode tensor, Random random) {
        int rows = tensor.get("shape").get(0).intValue();
        boolean vocabulary = rows == 96;
        rows = vocabulary ? VOCAB : rows;
        boolean vector = tensor.get("shape").size() == 1;
        int columns = vector ? 1 : tensor.get("shape").get(1).intValue();
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            float u = random.nextInt(1024) / 1024f - 0.5f;
            values[i] = tensor.get("center").floatValue() + tensor.get("width").floatValue() * u;
        }
        Tensor stored = Tensor.ofFloats(vector ? Shape.of(rows) : Shape.of(rows, columns), values);
        return Payload.of(StoredType.F32, stored.shape(), stored.data());
    }
}
