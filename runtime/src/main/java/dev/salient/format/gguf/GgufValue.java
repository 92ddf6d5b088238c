package dev.salient.format.gguf;

import dev.salient.format.FormatException;
import java.util.ArrayList;
import java.util.List;

/** One metadata value; a list is read from the file only when it is asked for. */
sealed interface GgufValue {
    record Whole(long value) implements GgufValue {
        @Override
        public String toString() {
            return Long.toString(value);
        }
    }

    record Real(double value) implements GgufValue {
        @Override
        public String toString() {
            return Double.toString(value);
        }
    }

    record Flag(boolean value) implements GgufValue {
        @Override
        public String toString() {
            return Boolean.toString(value);
        }
    }

    record Text(String value) implements GgufValue {
        @Override
        public String toString() {
            return '"' + value + '"';
        }
    }

    /**
     * A list that still lies in the file.
     *
     * @param elements its elements' type
     * @param offset of the first element
     */
    record Elements(Type elements, int count, long offset) implements GgufValue {
        @Override
        public String toString() {
            return "a list of " + count + " " + elements;
        }
    }

    /** The value types, in the order of their numbers. */
    enum Type {
        UINT8(1),
        INT8(1),
        UINT16(2),
        INT16(2),
        UINT32(4),
        INT32(4),
        FLOAT32(4),
        BOOL(1),
        STRING(8),
        ARRAY(12),
        UINT64(8),
        INT64(8),
        FLOAT64(8);

        private final int minimumBytes;

        Type(int minimumBytes) {
            this.minimumBytes = minimumBytes;
        }

        int minimumBytes() {
            return minimumBytes;
        }
    }

    static GgufValue read(String place, GgufCursor cursor) throws FormatException {
        Type type = readType(place, cursor);
        return type == Type.ARRAY ? readElements(place, cursor) : readScalar(place, type, cursor);
    }

    private static Type readType(String place, GgufCursor cursor) throws FormatException {
        int number = cursor.readInt();
        if (number < 0 || number >= Type.values().length) {
            throw new FormatException(
                    "%s: got value type %s, want 0 to %d",
                    place, Integer.toUnsignedString(number), Type.values().length - 1);
        }
        return Type.values()[number];
    }

    private static Elements readElements(String place, GgufCursor cursor) throws FormatException {
        Type type = readType(place, cursor);
        if (type == Type.ARRAY) {
            throw new FormatException("%s: got a list of lists, want a list of single values", place);
        }
        long count = cursor.readCount("elements", type.minimumBytes());
        if (count > Integer.MAX_VALUE - 16) {
            throw new FormatException("%s: got %d elements, want less", place, count);
        }
        Elements elements = new Elements(type, (int) count, cursor.position());
        if (type == Type.STRING) {
            for (long i = 0; i < count; i++) {
                cursor.skip(cursor.readCount("bytes of text", 1));
            }
        } else {
            cursor.skip(count * type.minimumBytes());
        }
        return elements;
    }

    private static GgufValue readScalar(String place, Type type, GgufCursor cursor) throws FormatException {
        return switch (type) {
            case UINT8 -> new Whole(cursor.readByte() & 0xFF);
            case INT8 -> new Whole(cursor.readByte());
            case UINT16 -> new Whole(cursor.readShort() & 0xFFFF);
            case INT16 -> new Whole(cursor.readShort());
            case UINT32 -> new Whole(Integer.toUnsignedLong(cursor.readInt()));
            case INT32 -> new Whole(cursor.readInt());
            case UINT64, INT64 -> new Whole(cursor.readLong());
            case FLOAT32 -> new Real(Float.intBitsToFloat(cursor.readInt()));
            case FLOAT64 -> new Real(Double.longBitsToDouble(cursor.readLong()));
            case BOOL -> readFlag(place, cursor);
            case STRING -> new Text(cursor.readString());
            case ARRAY -> throw new IllegalArgumentException("got a list, want a single value");
        };
    }

    private static GgufValue readFlag(String place, GgufCursor cursor) throws FormatException {
        int value = cursor.readByte();
        if (value != 0 && value != 1) {
            throw new FormatException("%s: got boolean %d, want 0 or 1", place, value);
        }
        return new Flag(value == 1);
    }

    /** The elements of a list, each as a value of its own. */
    static List<GgufValue> readAll(String place, Elements list, GgufCursor cursor) throws FormatException {
        List<GgufValue> values = new ArrayList<>(list.count());
        for (int i = 0; i < list.count(); i++) {
            values.add(readScalar(place, list.elements(), cursor));
        }
        return values;
    }
}
