package dev.salient.format.safetensors;

import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;

/** The tensors of a folder by name, in one file or in shards; it knows which of them were read. */
public final class TensorStore {
    static final String SINGLE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";

    private final String place;
    private final Map<String, StoredTensor> tensors;
    private final Set<String> unread;

    private TensorStore(String place, Map<String, StoredTensor> tensors) {
        this.place = place;
        this.tensors = tensors;
        this.unread = new LinkedHashSet<>(tensors.keySet());
    }

    /** Whether a folder holds safetensors that {@link #open} would read. */
    public static boolean isIn(Path folder) {
        return Files.exists(folder.resolve(SINGLE)) || Files.exists(folder.resolve(INDEX));
    }

    /** The weight files of a folder, in order of name. */
    public static List<Path> files(Path folder) throws IOException {
        if (Files.exists(folder.resolve(SINGLE))) {
            return List.of(folder.resolve(SINGLE));
        }
        return shards(JsonObject.read(folder.resolve(INDEX))).stream()
                .map(folder::resolve)
                .toList();
    }

    /** Maps {@code model.safetensors}, or the shards that {@code model.safetensors.index.json} names. */
    public static TensorStore open(Path folder, Arena arena) throws IOException {
        if (Files.exists(folder.resolve(SINGLE))) {
            return of(SINGLE, SafetensorsFile.open(folder.resolve(SINGLE), arena));
        }
        JsonObject index = JsonObject.read(folder.resolve(INDEX));
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        for (String shard : shards(index)) {
            Path file = folder.resolve(shard);
            if (!Files.isRegularFile(file)) {
                throw new FormatException("%s: got a shard %s that is not there", INDEX, shard);
            }
            SafetensorsFile.open(file, arena).tensors().forEach((name, tensor) -> tensors.put(shard + name, tensor));
        }
        Map<String, StoredTensor> named = new LinkedHashMap<>();
        JsonObject weights = index.expectObject("weight_map");
        for (String name : weights.keys()) {
            StoredTensor tensor = tensors.remove(weights.expectString(name) + name);
            if (tensor == null) {
                throw new FormatException(
                        "%s: %s: got shard %s, which does not hold it", INDEX, name, weights.expectString(name));
            }
            named.put(name, tensor);
        }
        for (StoredTensor tensor : tensors.values()) {
            throw new FormatException("%s: got a tensor that %s does not name", tensor.place(), INDEX);
        }
        return new TensorStore(INDEX, named);
    }

    /** The tensors of one file. */
    public static TensorStore of(String place, SafetensorsFile file) {
        return new TensorStore(place, file.tensors());
    }

    /** The shard names of an index, each a plain file name: no path may leave the folder. */
    private static SortedSet<String> shards(JsonObject index) throws FormatException {
        JsonObject weights = index.expectObject("weight_map");
        SortedSet<String> shards = new TreeSet<>();
        for (String name : weights.keys()) {
            String shard = weights.expectString(name);
            if (!isPlainName(shard)) {
                throw weights.wrong(name, "the name of a file in the same folder");
            }
            shards.add(shard);
        }
        return shards;
    }

    private static boolean isPlainName(String name) {
        try {
            Path path = Path.of(name);
            return name.endsWith(".safetensors") && path.getNameCount() == 1 && !path.isAbsolute();
        } catch (InvalidPathException e) {
            return false;
        }
    }

    public Set<String> names() {
        return tensors.keySet();
    }

    public boolean has(String name) {
        return tensors.containsKey(name);
    }

    /** The tensor of this name; counts as read from now on. */
    public StoredTensor expect(String name) throws FormatException {
        StoredTensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new FormatException("%s: %s: got no such tensor", place, name);
        }
        unread.remove(name);
        return tensor;
    }

    /** Counts a tensor as read though nobody needs it. */
    public void ignore(String name) {
        unread.remove(name);
    }

    /** Fails where a tensor was never read: the model would not be the one that was stored. */
    public void expectAllRead() throws FormatException {
        for (String name : unread) {
            throw new FormatException("%s: %s: got a tensor that no part of the model reads", place, name);
        }
    }
}
