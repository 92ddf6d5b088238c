package dev.salient.format.json;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.FormatException;
import java.io.CharConversionException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A JSON object out of a file; a field that is null counts as absent. */
public final class JsonObject {
    /** Larger configuration files are not read. */
    private static final long MAX_BYTES = 100_000_000;

    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final String place;
    private final ObjectNode node;

    private JsonObject(String place, ObjectNode node) {
        this.place = place;
        this.node = node;
    }

    /** Reads a whole file; messages name it by its last part. */
    public static JsonObject read(Path file) throws IOException {
        String place = String.valueOf(file.getFileName());
        long size = Files.size(file);
        if (size > MAX_BYTES) {
            throw new FormatException("%s: got %d bytes, want at most %d", place, size, MAX_BYTES);
        }
        return parse(place, Files.readAllBytes(file));
    }

    /** Parses UTF-8 bytes; {@code place} begins every message. */
    public static JsonObject parse(String place, byte[] json) throws IOException {
        try {
            if (MAPPER.readTree(json) instanceof ObjectNode object) {
                return new JsonObject(place, object);
            }
        } catch (JacksonException e) {
            JsonLocation at = e.getLocation();
            throw new FormatException(
                    "%s: got broken JSON at line %d, column %d, want a JSON object",
                    place, at == null ? 0 : at.getLineNr(), at == null ? 0 : at.getColumnNr());
        } catch (CharConversionException e) { // it looked like UTF-16 or UTF-32, which JSON may be too, and isn't
            throw new FormatException("%s: got bytes that are no UTF-8, want a JSON object", place);
        }
        throw new FormatException("%s: got something else, want a JSON object", place);
    }

    /** Where this object stands, for messages. */
    public String place() {
        return place;
    }

    /** A copy to change and write. */
    public ObjectNode toNode() {
        return node.deepCopy();
    }

    public Set<String> keys() {
        java.util.LinkedHashSet<String> keys = new java.util.LinkedHashSet<>();
        node.fieldNames().forEachRemaining(keys::add);
        return keys;
    }

    public @Nullable JsonNode find(String key) {
        JsonNode value = node.get(key);
        return value == null || value.isNull() ? null : value;
    }

    public boolean has(String key) {
        return find(key) != null;
    }

    public int expectInt(String key) throws FormatException {
        JsonNode value = find(key);
        if (value == null) {
            throw wrong(key, "an integer");
        }
        return intOf(key, value);
    }

    public int intOr(String key, int absent) throws FormatException {
        return has(key) ? expectInt(key) : absent;
    }

    private int intOf(String key, JsonNode value) throws FormatException {
        if (!value.isIntegralNumber() || !value.canConvertToInt()) {
            throw wrong(key, "an integer");
        }
        return value.intValue();
    }

    public double expectNumber(String key) throws FormatException {
        JsonNode value = find(key);
        if (value == null || !value.isNumber() || !Double.isFinite(value.doubleValue())) {
            throw wrong(key, "a number");
        }
        return value.doubleValue();
    }

    public double numberOr(String key, double absent) throws FormatException {
        return has(key) ? expectNumber(key) : absent;
    }

    /** Whether the field is there and true. */
    public boolean isTrue(String key) throws FormatException {
        JsonNode value = find(key);
        if (value == null) {
            return false;
        }
        if (!value.isBoolean()) {
            throw wrong(key, "true or false");
        }
        return value.booleanValue();
    }

    public @Nullable String findString(String key) throws FormatException {
        JsonNode value = find(key);
        if (value == null) {
            return null;
        }
        if (!value.isTextual()) {
            throw wrong(key, "a string");
        }
        return value.textValue();
    }

    public String expectString(String key) throws FormatException {
        String value = findString(key);
        if (value == null) {
            throw wrong(key, "a string");
        }
        return value;
    }

    public @Nullable JsonObject findObject(String key) throws FormatException {
        JsonNode value = find(key);
        if (value == null) {
            return null;
        }
        if (!(value instanceof ObjectNode object)) {
            throw wrong(key, "an object");
        }
        return new JsonObject(place + ": " + key, object);
    }

    public JsonObject expectObject(String key) throws FormatException {
        JsonObject value = findObject(key);
        if (value == null) {
            throw wrong(key, "an object");
        }
        return value;
    }

    /** The integers of a field that holds one or a list of them; empty where it is absent. */
    public List<Integer> intsOf(String key) throws FormatException {
        JsonNode value = find(key);
        List<Integer> ints = new ArrayList<>();
        if (value == null) {
            return ints;
        }
        if (!value.isArray()) {
            ints.add(intOf(key, value));
        } else {
            for (JsonNode element : value) {
                ints.add(intOf(key, element));
            }
        }
        return ints;
    }

    /** The error that this field is not what it should be. */
    public FormatException wrong(String key, String want) {
        JsonNode value = node.get(key);
        String got = value == null ? "nothing" : value.toString();
        return new FormatException(
                "%s: %s: got %s, want %s", place, key, got.length() > 80 ? got.substring(0, 77) + "..." : got, want);
    }
}
