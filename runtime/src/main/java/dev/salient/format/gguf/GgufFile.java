package dev.salient.format.gguf;

import dev.salient.format.FormatException;
import dev.salient.format.gguf.GgufValue.Elements;
import dev.salient.format.gguf.GgufValue.Flag;
import dev.salient.format.gguf.GgufValue.Real;
import dev.salient.format.gguf.GgufValue.Text;
import dev.salient.format.gguf.GgufValue.Whole;
import dev.salient.tensor.MappedFile;
import dev.salient.tokenizer.GgufVocabulary;
import dev.salient.tokenizer.Tokenizer;
import dev.salient.tokenizer.Tokenizers;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/** A memory-mapped GGUF file of version 3, its whole header checked before any tensor is touched. */
public final class GgufFile {
    private static final int MAGIC = 0x46554747;
    private static final int VERSION = 3;
    /** A key, a type and a value of one byte. */
    private static final int SMALLEST_ENTRY_BYTES = 8 + 4 + 1;

    private final String place;
    private final MemorySegment file;
    private final Map<String, GgufValue> metadata;
    /** The bytes of each metadata value, its type before it. */
    private final Map<String, MemorySegment> storedValues;

    private Map<String, GgufTensor> tensors = Map.of();
    private long metadataBytes;

    private GgufFile(String place, MemorySegment file) {
        this.place = place;
        this.file = file;
        metadata = new LinkedHashMap<>();
        storedValues = new LinkedHashMap<>();
    }

    /**
     * Maps and checks a file.
     *
     * @param arena owns the mapping
     */
    public static GgufFile open(Path file, Arena arena) throws IOException {
        return parse(String.valueOf(file.getFileName()), MappedFile.map(file, arena));
    }

    static GgufFile parse(String place, MemorySegment file) throws FormatException {
        GgufCursor cursor = new GgufCursor(place, file, 0);
        int magic = cursor.readInt();
        if (magic != MAGIC) {
            throw new FormatException("%s: got first bytes 0x%08X, want \"GGUF\"", place, Integer.reverseBytes(magic));
        }
        int version = cursor.readInt();
        if (version != VERSION) {
            throw new FormatException("%s: got GGUF version %d, want %d", place, version, VERSION);
        }
        long tensorCount = cursor.readCount("tensors", GgufLayout.SMALLEST_TENSOR_BYTES);
        long entryCount = cursor.readCount("metadata entries", SMALLEST_ENTRY_BYTES);
        GgufFile read = new GgufFile(place, file);
        for (long i = 0; i < entryCount; i++) {
            String key = cursor.readString();
            long from = cursor.position();
            if (read.metadata.put(key, GgufValue.read(place + ": " + key, cursor)) != null) {
                throw new FormatException("%s: %s: got this key twice", place, key);
            }
            read.storedValues.put(key, file.asSlice(from, cursor.position() - from));
        }
        read.metadataBytes = cursor.position();
        GgufLayout layout = new GgufLayout(place, file, read.intOr("general.alignment", 32));
        read.tensors = layout.readTensors(cursor, tensorCount);
        return read;
    }

    String place() {
        return place;
    }

    Map<String, GgufTensor> tensors() {
        return tensors;
    }

    /** The bytes of each metadata value, its type before it, in the file's order. */
    Map<String, MemorySegment> storedValues() {
        return storedValues;
    }

    boolean has(String key) {
        return metadata.containsKey(key);
    }

    int expectInt(String key) throws FormatException {
        if (metadata.get(key) instanceof Whole whole && whole.value() == (int) whole.value()) {
            return (int) whole.value();
        }
        throw wrong(key, "an integer");
    }

    int intOr(String key, int absent) throws FormatException {
        return has(key) ? expectInt(key) : absent;
    }

    double expectPositive(String key) throws FormatException {
        if (metadata.get(key) instanceof Real real && real.value() > 0 && Double.isFinite(real.value())) {
            return real.value();
        }
        throw wrong(key, "a number above 0");
    }

    private @Nullable Boolean findFlag(String key) throws FormatException {
        if (!has(key)) {
            return null;
        }
        if (metadata.get(key) instanceof Flag flag) {
            return flag.value();
        }
        throw wrong(key, "true or false");
    }

    /** The text under a key; null where there is none. */
    public @Nullable String findText(String key) throws FormatException {
        if (!has(key)) {
            return null;
        }
        if (metadata.get(key) instanceof Text text) {
            return text.value();
        }
        throw wrong(key, "a text");
    }

    private <T> List<T> list(String key, Class<? extends GgufValue> kind, java.util.function.Function<GgufValue, T> of)
            throws FormatException {
        List<T> list = new ArrayList<>();
        if (!has(key)) {
            return list;
        }
        Elements elements = expectList(key);
        GgufCursor cursor = new GgufCursor(place, file, elements.offset());
        for (GgufValue value : GgufValue.readAll(place + ": " + key, elements, cursor)) {
            if (!kind.isInstance(value)) {
                throw otherType(key);
            }
            list.add(of.apply(value));
        }
        return list;
    }

    /** The texts of a list: a vocabulary has so many that each is not made a value of its own first. */
    private List<String> texts(String key) throws FormatException {
        if (!has(key)) {
            return List.of();
        }
        Elements elements = expectList(key);
        if (elements.count() > 0 && elements.elements() != GgufValue.Type.STRING) {
            throw otherType(key);
        }
        return new GgufCursor(place, file, elements.offset()).readStrings(elements.count());
    }

    private Elements expectList(String key) throws FormatException {
        if (metadata.get(key) instanceof Elements elements) {
            return elements;
        }
        throw wrong(key, "a list");
    }

    private FormatException otherType(String key) {
        return wrong(key, "a list of another type");
    }

    /** The flags of a list; none where there is no list under a key. */
    List<Boolean> flags(String key) throws FormatException {
        return metadata.get(key) instanceof Elements
                ? list(key, Flag.class, value -> ((Flag) value).value())
                : List.of();
    }

    private OptionalInt findId(String key) throws FormatException {
        return has(key) ? OptionalInt.of(expectInt(key)) : OptionalInt.empty();
    }

    FormatException wrong(String key, String want) {
        GgufValue value = metadata.get(key);
        return new FormatException("%s: %s: got %s, want %s", place, key, value == null ? "nothing" : value, want);
    }

    /** The vocabulary; null where the file holds none. */
    public @Nullable GgufVocabulary findVocabulary() throws FormatException {
        String model = findText("tokenizer.ggml.model");
        if (model == null || !has("tokenizer.ggml.tokens")) {
            return null;
        }
        String pre = findText("tokenizer.ggml.pre");
        try {
            return new GgufVocabulary(
                    model,
                    pre == null ? "" : pre,
                    texts("tokenizer.ggml.tokens"),
                    list("tokenizer.ggml.scores", Real.class, value -> (float) ((Real) value).value()),
                    list("tokenizer.ggml.token_type", Whole.class, value -> (int) ((Whole) value).value()),
                    texts("tokenizer.ggml.merges"),
                    findId("tokenizer.ggml.bos_token_id"),
                    findId("tokenizer.ggml.eos_token_id"),
                    findId("tokenizer.ggml.unknown_token_id"),
                    findFlag("tokenizer.ggml.add_bos_token"),
                    findFlag("tokenizer.ggml.add_space_prefix"));
        } catch (IllegalArgumentException e) {
            throw new FormatException("%s: tokenizer: %s", place, String.valueOf(e.getMessage()));
        }
    }

    /** The tokenizer of the vocabulary; null where the file holds none. */
    public @Nullable Tokenizer findTokenizer() throws FormatException {
        GgufVocabulary vocabulary = findVocabulary();
        try {
            return vocabulary == null ? null : Tokenizers.fromGguf(vocabulary);
        } catch (IllegalArgumentException e) {
            throw new FormatException("%s: tokenizer: %s", place, String.valueOf(e.getMessage()));
        }
    }

    /** Gives back the pages of what stands before the tensors: the vocabulary is most of it. */
    public void letGoOfMetadata() {
        MappedFile.letGo(file.asSlice(0, metadataBytes));
    }

    /** The chat template; null where the file holds none. */
    public @Nullable String findChatTemplate() throws FormatException {
        return findText("tokenizer.chat_template");
    }

    /** The ids that end a text or a turn. */
    public List<Integer> endTokens() throws FormatException {
        List<Integer> ids = new ArrayList<>();
        for (String key : List.of("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")) {
            findId(key).ifPresent(id -> {
                if (!ids.contains(id)) {
                    ids.add(id);
                }
            });
        }
        return ids;
    }
}
