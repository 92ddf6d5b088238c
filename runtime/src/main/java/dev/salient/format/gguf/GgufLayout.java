package dev.salient.format.gguf;

import dev.salient.format.FormatException;
import dev.salient.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Where a GGUF file's tensors lie: each one aligned, in order, none over another, all inside the file. */
final class GgufLayout {
    /** Name length, dimension count, one dimension, type and offset. */
    static final int SMALLEST_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8;

    private final String place;
    private final MemorySegment file;
    private final int alignment;

    GgufLayout(String place, MemorySegment file, int alignment) throws FormatException {
        if (alignment <= 0 || Integer.bitCount(alignment) != 1) {
            throw new FormatException("%s: general.alignment: got %d, want a power of 2", place, alignment);
        }
        this.place = place;
        this.file = file;
        this.alignment = alignment;
    }

    private record Description(String name, GgmlType type, Shape shape, long offset, long bytes) {}

    Map<String, GgufTensor> readTensors(GgufCursor cursor, long count) throws FormatException {
        List<Description> descriptions = new ArrayList<>();
        for (long i = 0; i < count; i++) {
            descriptions.add(readDescription(cursor));
        }
        long data = aligned(cursor.position());
        long expected = 0;
        Map<String, GgufTensor> tensors = new LinkedHashMap<>();
        for (Description it : descriptions) {
            String where = place + ": " + it.name;
            if (it.offset != expected) {
                throw new FormatException(
                        "%s: got offset %s, want %d, where the tensor before it ends",
                        where, Long.toUnsignedString(it.offset), expected);
            }
            if (it.bytes > file.byteSize() - data - expected) {
                throw new FormatException(
                        "%s: got %d bytes of data before the end of the file, want %d",
                        where, Math.max(0, file.byteSize() - data - expected), it.bytes);
            }
            MemorySegment bytes = file.asSlice(data + it.offset, it.bytes);
            if (tensors.put(it.name, new GgufTensor(where, it.type, it.shape, bytes)) != null) {
                throw new FormatException("%s: got this tensor twice", where);
            }
            expected = aligned(it.offset + it.bytes);
        }
        return tensors;
    }

    private Description readDescription(GgufCursor cursor) throws FormatException {
        String name = cursor.readString();
        String where = place + ": " + name;
        int rank = cursor.readInt();
        if (rank < 1 || rank > 4) {
            throw new FormatException("%s: got %s dimensions, want 1 to 4", where, Integer.toUnsignedString(rank));
        }
        Integer[] dimensions = new Integer[rank];
        long elements = 1;
        for (int i = rank - 1; i >= 0; i--) {
            long dimension = cursor.readLong();
            if (dimension < 1 || dimension > Integer.MAX_VALUE || elements > (1L << 48) / dimension) {
                throw new FormatException(
                        "%s: got dimension %s, want one that a file can hold", where, Long.toUnsignedString(dimension));
            }
            elements *= dimension;
            dimensions[i] = (int) dimension;
        }
        int number = cursor.readInt();
        GgmlType type = GgmlType.find(number);
        if (type == null) {
            throw new FormatException(
                    "%s: got tensor type %s, want one of %s",
                    where, Integer.toUnsignedString(number), Arrays.toString(GgmlType.values()));
        }
        if (dimensions[rank - 1] % type.elementsPerGroup() != 0) {
            throw new FormatException(
                    "%s: got rows of %d, want a multiple of %d for %s",
                    where, dimensions[rank - 1], type.elementsPerGroup(), type);
        }
        long bytes = elements / type.elementsPerGroup() * type.bytesPerGroup();
        return new Description(name, type, new Shape(List.of(dimensions)), cursor.readLong(), bytes);
    }

    private long aligned(long position) {
        return Math.ceilDiv(position, alignment) * alignment;
    }
}
