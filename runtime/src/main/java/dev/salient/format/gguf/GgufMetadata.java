package dev.salient.format.gguf;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;

/** The metadata of a file that is to be written, in the order in which it was put. */
final class GgufMetadata {
    private static final int UINT32 = 4;
    private static final int INT32 = 5;
    private static final int FLOAT32 = 6;
    private static final int BOOL = 7;
    private static final int STRING = 8;
    private static final int ARRAY = 9;

    private final Map<String, byte[]> entries = new LinkedHashMap<>();

    /** A number of at least 0. */
    void put(String key, int value) {
        entries.put(key, little(8).putInt(UINT32).putInt(value).array());
    }

    void put(String key, float value) {
        entries.put(key, little(8).putInt(FLOAT32).putFloat(value).array());
    }

    void put(String key, String value) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.writeBytes(little(4).putInt(STRING).array());
        writeText(bytes, value);
        entries.put(key, bytes.toByteArray());
    }

    void putFlag(String key, boolean value) {
        entries.put(key, little(5).putInt(BOOL).put((byte) (value ? 1 : 0)).array());
    }

    void putFlags(String key, List<Boolean> values) {
        putList(key, BOOL, values, (bytes, value) -> bytes.write(value ? 1 : 0));
    }

    void putTexts(String key, List<String> values) {
        putList(key, STRING, values, GgufMetadata::writeText);
    }

    void putInts(String key, List<Integer> values) {
        putList(
                key,
                INT32,
                values,
                (bytes, value) ->
                        bytes.writeBytes(little(Integer.BYTES).putInt(value).array()));
    }

    void putFloats(String key, List<Float> values) {
        putList(
                key,
                FLOAT32,
                values,
                (bytes, value) ->
                        bytes.writeBytes(little(Float.BYTES).putFloat(value).array()));
    }

    private <T> void putList(String key, int type, List<T> values, BiConsumer<ByteArrayOutputStream, T> write) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.writeBytes(
                little(16).putInt(ARRAY).putInt(type).putLong(values.size()).array());
        values.forEach(value -> write.accept(bytes, value));
        entries.put(key, bytes.toByteArray());
    }

    /** A value as another file stores it, its type before it. */
    void putStored(String key, MemorySegment value) {
        entries.put(key, value.toArray(JAVA_BYTE));
    }

    int size() {
        return entries.size();
    }

    void writeTo(ByteArrayOutputStream header) {
        entries.forEach((key, value) -> {
            writeText(header, key);
            header.writeBytes(value);
        });
    }

    static void writeText(ByteArrayOutputStream bytes, String text) {
        byte[] utf8 = text.getBytes(UTF_8);
        bytes.writeBytes(little(Long.BYTES).putLong(utf8.length).array());
        bytes.writeBytes(utf8);
    }

    static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
