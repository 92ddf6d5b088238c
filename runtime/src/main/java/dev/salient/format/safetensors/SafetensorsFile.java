package dev.salient.format.safetensors;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import dev.salient.tensor.MappedFile;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A memory-mapped safetensors file, its whole header checked before any tensor is touched.
 *
 * @param metadata the header's own strings
 * @param tensors by name, in the order of their data
 */
public record SafetensorsFile(Map<String, String> metadata, Map<String, StoredTensor> tensors) {
    /** The largest header that the format allows. */
    private static final long MAX_HEADER_BYTES = 100_000_000;

    private static final String METADATA = "__metadata__";
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    public SafetensorsFile {
        metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
        tensors = Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
    }

    private record Span(String name, StoredType type, Shape shape, long begin, long end) {}

    /**
     * Maps and checks a file.
     *
     * @param arena owns the mapping
     */
    public static SafetensorsFile open(Path file, Arena arena) throws IOException {
        return parse(String.valueOf(file.getFileName()), MappedFile.map(file, arena));
    }

    static SafetensorsFile parse(String place, MemorySegment file) throws IOException {
        if (file.byteSize() < Long.BYTES) {
            throw new FormatException("%s: got %d bytes, want at least 8", place, file.byteSize());
        }
        long headerBytes = file.get(LONG, 0);
        long most = Math.min(MAX_HEADER_BYTES, file.byteSize() - Long.BYTES);
        if (headerBytes < 2 || headerBytes > most) {
            throw new FormatException(
                    "%s: header: got %s bytes, want 2 to %d", place, Long.toUnsignedString(headerBytes), most);
        }
        byte[] json = file.asSlice(Long.BYTES, headerBytes).toArray(ValueLayout.JAVA_BYTE);
        JsonObject header = JsonObject.parse(place + ": header", json);
        MemorySegment data = file.asSlice(Long.BYTES + headerBytes);
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        for (Span span : spans(place, header, data.byteSize())) {
            tensors.put(
                    span.name,
                    new StoredTensor(
                            place + ": " + span.name,
                            span.type,
                            span.shape,
                            data.asSlice(span.begin, span.end - span.begin)));
        }
        return new SafetensorsFile(metadata(header), tensors);
    }

    private static Map<String, String> metadata(JsonObject header) throws FormatException {
        Map<String, String> strings = new LinkedHashMap<>();
        JsonObject metadata = header.findObject(METADATA);
        if (metadata != null) {
            for (String key : metadata.keys()) {
                strings.put(key, metadata.expectString(key));
            }
        }
        return strings;
    }

    private static List<Span> spans(String place, JsonObject header, long dataBytes) throws FormatException {
        List<Span> spans = new ArrayList<>();
        for (String name : header.keys()) {
            if (!name.equals(METADATA)) {
                spans.add(span(place + ": " + name, name, header.expectObject(name)));
            }
        }
        spans.sort(Comparator.comparingLong(Span::begin).thenComparingLong(Span::end));
        long at = 0;
        for (Span span : spans) {
            if (span.begin != at) {
                throw new FormatException(
                        "%s: %s: got data from byte %d, want %d, where the tensor before it ends",
                        place, span.name, span.begin, at);
            }
            at = span.end;
        }
        if (at != dataBytes) {
            throw new FormatException("%s: got %d bytes of data, want %d", place, dataBytes, at);
        }
        return spans;
    }

    private static Span span(String place, String name, JsonObject entry) throws FormatException {
        StoredType type = StoredType.find(entry.expectString("dtype"));
        if (type == null) {
            throw entry.wrong("dtype", "one of " + List.of(StoredType.values()));
        }
        Shape shape = new Shape(dimensions(entry));
        long[] offsets = offsets(entry);
        long want;
        try {
            want = Math.multiplyExact(shape.elementCount(), type.byteCount());
        } catch (ArithmeticException e) {
            throw entry.wrong("shape", "one that a file can hold");
        }
        if (offsets[1] - offsets[0] != want) {
            throw new FormatException(
                    "%s: got %d bytes, want %d for %s %s", place, offsets[1] - offsets[0], want, type, shape);
        }
        return new Span(name, type, shape, offsets[0], offsets[1]);
    }

    private static List<Integer> dimensions(JsonObject entry) throws FormatException {
        JsonNode shape = entry.find("shape");
        if (shape == null || !shape.isArray() || shape.size() > 8) {
            throw entry.wrong("shape", "a list of up to 8 dimensions");
        }
        long elements = 1;
        for (int dimension : entry.intsOf("shape")) {
            if (dimension < 0 || elements > Long.MAX_VALUE / Math.max(1, dimension)) {
                throw entry.wrong("shape", "one that a file can hold");
            }
            elements *= dimension;
        }
        return entry.intsOf("shape");
    }

    private static long[] offsets(JsonObject entry) throws FormatException {
        JsonNode offsets = entry.find("data_offsets");
        String want = "[begin, end]";
        if (offsets == null || !offsets.isArray() || offsets.size() != 2) {
            throw entry.wrong("data_offsets", want);
        }
        for (JsonNode offset : offsets) {
            if (!offset.isIntegralNumber() || !offset.canConvertToLong() || offset.longValue() < 0) {
                throw entry.wrong("data_offsets", want);
            }
        }
        long begin = offsets.get(0).longValue();
        long end = offsets.get(1).longValue();
        if (end < begin) {
            throw entry.wrong("data_offsets", want);
        }
        return new long[] {begin, end};
    }
}
