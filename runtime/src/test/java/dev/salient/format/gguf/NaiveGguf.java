package dev.salient.format.gguf;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads a GGUF file as its specification says it, sharing nothing with the program's own reader. */
final class NaiveGguf {
    final Map<String, Object> metadata = new LinkedHashMap<>();
    final Map<String, Entry> tensors = new LinkedHashMap<>();

    private final ByteBuffer file;

    /** Dimensions innermost first, as the file has them; the offset from the beginning of the data. */
    record Entry(int type, List<Long> dimensions, long offset) {}

    private long data;

    NaiveGguf(Path path) throws IOException {
        file = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
        if (file.getInt() != 0x46554747 || file.getInt() != 3) {
            throw new IOException("no GGUF file of version 3");
        }
        long count = file.getLong();
        long entries = file.getLong();
        for (long i = 0; i < entries; i++) {
            metadata.put(text(), value(file.getInt()));
        }
        for (long i = 0; i < count; i++) {
            String name = text();
            List<Long> dimensions = new ArrayList<>();
            int rank = file.getInt();
            for (int d = 0; d < rank; d++) {
                dimensions.add(file.getLong());
            }
            tensors.put(name, new Entry(file.getInt(), dimensions, file.getLong()));
        }
        data = (file.position() + 31L) / 32 * 32;
    }

    private NaiveGguf(ByteBuffer row) {
        file = row.order(ByteOrder.LITTLE_ENDIAN);
    }

    /** One row of a type that has this number. */
    static float[] row(ByteBuffer bytes, int type, int count) {
        NaiveGguf row = new NaiveGguf(bytes);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = row.value(type, 0, i) + 0f;
        }
        return values;
    }

    private String text() {
        byte[] bytes = new byte[(int) file.getLong()];
        file.get(bytes);
        return new String(bytes, UTF_8);
    }

    private Object value(int type) {
        return switch (type) {
            case 4, 5 -> file.getInt();
            case 6 -> file.getFloat();
            case 7 -> file.get() == 1;
            case 8 -> text();
            case 9 -> {
                int elements = file.getInt();
                long count = file.getLong();
                List<Object> list = new ArrayList<>();
                for (long i = 0; i < count; i++) {
                    list.add(value(elements));
                }
                yield list;
            }
            default -> throw new IllegalArgumentException("type " + type);
        };
    }

    int type(String name) {
        return entry(name).type;
    }

    Entry entry(String name) {
        Entry entry = tensors.get(name);
        if (entry == null) {
            throw new IllegalArgumentException(name + " is not among " + tensors.keySet());
        }
        return entry;
    }

    /** All numbers of a tensor. */
    float[] values(String name) {
        Entry entry = entry(name);
        int count = 1;
        for (long dimension : entry.dimensions) {
            count *= (int) dimension;
        }
        int at = (int) (data + entry.offset);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = value(entry.type, at, i);
        }
        return values;
    }

    private float value(int type, int at, int i) {
        int group = i / 32;
        int in = i % 32;
        return switch (type) {
            case 0 -> file.getFloat(at + 4 * i);
            case 1 -> Float.float16ToFloat(file.getShort(at + 2 * i));
            case 30 -> Float.intBitsToFloat(file.getShort(at + 2 * i) << 16);
            case 8 -> half(at + 34 * group) * file.get(at + 34 * group + 2 + in);
            case 2 -> {
                int nibbles = file.get(at + 18 * group + 2 + in % 16);
                yield half(at + 18 * group) * ((in < 16 ? nibbles & 15 : (nibbles >> 4) & 15) - 8);
            }
            case 6 -> {
                int nibbles = file.get(at + 22 * group + 6 + in % 16);
                int high = (file.getInt(at + 22 * group + 2) >>> in) & 1;
                yield half(at + 22 * group) * ((in < 16 ? nibbles & 15 : (nibbles >> 4) & 15) + 16 * high - 16);
            }
            case 41 -> {
                int start = at + 18 * (i / 128);
                yield half(start) * (((file.get(start + 2 + i % 128 / 8) >> (i % 8)) & 1) == 1 ? 1 : -1);
            }
            case 35 -> {
                int start = at + 66 * (i / 256);
                int octet = file.get(start + i % 256 / 128 * 32 + i % 32);
                yield half(start + 64) * (((octet >> (2 * (i % 128 / 32))) & 3) - 1);
            }
            case 42 -> {
                int start = at + 18 * (i / 64);
                yield half(start) * (((file.get(start + 2 + i % 64 / 4) >> (2 * (i % 4))) & 3) - 1);
            }
            default -> throw new IllegalArgumentException("type " + type);
        };
    }

    private float half(int at) {
        return Float.float16ToFloat(file.getShort(at));
    }
}
