package dev.salient.format.gptq;

import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.format.safetensors.StoredType;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.model.IntactKv;
import dev.salient.model.ModelConfig;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The file of a folder's {@link IntactKv}; {@code config.json} names the tokens. A file of its own, because programs that do not know it refuse
 * or complain of tensors among the weights that no part of their model reads.
 */
public final class IntactFile {
    static final String NAME = "intact_kv.safetensors";
    static final String TOKENS = "intact_kv_tokens";
    private static final String KEYS = "keys";
    private static final String VALUES = "values";

    private IntactFile() {}

    /** The file in a folder, whether it is there or not. */
    public static Path in(Path folder) {
        return folder.resolve(NAME);
    }

    /**
     * What a folder holds; null where its keys and values are all its own.
     *
     * @param json its {@code config.json}
     * @param arena owns the mapped file
     */
    static @Nullable IntactKv find(Path folder, JsonObject json, ModelConfig config, Arena arena) throws IOException {
        boolean there = Files.isRegularFile(in(folder));
        if (!json.has(TOKENS)) {
            if (there) {
                throw json.wrong(TOKENS, "the ids of the tokens that " + NAME + " is for");
            }
            return null;
        }
        List<Integer> tokens = tokens(json, config);
        if (!there) {
            throw new FormatException("%s: %s: got no %s beside it", json.place(), TOKENS, NAME);
        }
        TensorStore store = TensorStore.of(NAME, SafetensorsFile.open(in(folder), arena));
        Shape shape = IntactKv.shape(config, tokens.size());
        IntactKv intact = new IntactKv(tokens, read(store.expect(KEYS), shape), read(store.expect(VALUES), shape));
        store.expectAllRead();
        return intact;
    }

    private static List<Integer> tokens(JsonObject json, ModelConfig config) throws FormatException {
        List<Integer> tokens = json.intsOf(TOKENS);
        if (tokens.isEmpty() || tokens.size() > config.contextLength()) {
            throw json.wrong(TOKENS, "1 to %d token ids".formatted(config.contextLength()));
        }
        for (int id : tokens) {
            if (id < 0 || id >= config.vocabSize()) {
                throw json.wrong(TOKENS, "ids of 0 to %d".formatted(config.vocabSize() - 1));
            }
        }
        return tokens;
    }

    private static Tensor read(StoredTensor stored, Shape shape) throws FormatException {
        int[] dimensions =
                shape.dimensions().stream().mapToInt(Integer::intValue).toArray();
        stored.expectRaw(StoredType.F16, dimensions);
        return stored.expectFinite(dimensions);
    }

    static void write(Path folder, IntactKv intact) throws IOException {
        Map<String, SafetensorsWriter.Payload> tensors = new LinkedHashMap<>();
        tensors.put(KEYS, Payloads.of(intact.keys()));
        tensors.put(VALUES, Payloads.of(intact.values()));
        SafetensorsWriter.write(in(folder), QuantizedFolder.METADATA, tensors);
    }
}
