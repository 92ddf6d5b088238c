package dev.salient.tokenizer;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** A bare reader of a GGUF file's metadata: independent of the product's own, trusting its input. */
final class VocabularyFile {
    private final Map<String, Object> values = new HashMap<>();

    private VocabularyFile(ByteBuffer data) {
        data.order(ByteOrder.LITTLE_ENDIAN).position(16);
        long count = data.getLong();
        for (long i = 0; i < count; i++) {
            String key = string(data);
            values.put(key, value(data, data.getInt()));
        }
    }

    static GgufVocabulary read(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            return new VocabularyFile(channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size())).vocabulary();
        }
    }

    private GgufVocabulary vocabulary() {
        return new GgufVocabulary(
                (String) values.getOrDefault("tokenizer.ggml.model", ""),
                (String) values.getOrDefault("tokenizer.ggml.pre", ""),
                list("tokens", String.class),
                list("scores", Float.class),
                list("token_type", Integer.class),
                list("merges", String.class),
                id("bos_token_id"),
                id("eos_token_id"),
                id("unknown_token_id"),
                (Boolean) values.get("tokenizer.ggml.add_bos_token"),
                (Boolean) values.get("tokenizer.ggml.add_space_prefix"));
    }

    private <T> List<T> list(String key, Class<T> type) {
        List<?> list = (List<?>) values.getOrDefault("tokenizer.ggml." + key, List.of());
        return list.stream().map(type::cast).toList();
    }

    private OptionalInt id(String key) {
        Integer id = (Integer) values.get("tokenizer.ggml." + key);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    private static String string(ByteBuffer data) {
        byte[] bytes = new byte[Math.toIntExact(data.getLong())];
        data.get(bytes);
        return new String(bytes, UTF_8);
    }

    private static Object value(ByteBuffer data, int type) {
        return switch (type) {
            case 0, 1 -> (int) data.get();
            case 2, 3 -> (int) data.getShort();
            case 4, 5 -> data.getInt();
            case 6 -> data.getFloat();
            case 7 -> data.get() != 0;
            case 8 -> string(data);
            case 9 -> array(data);
            case 10, 11 -> data.getLong();
            case 12 -> data.getDouble();
            default -> throw new IllegalArgumentException("metadata type: got %d, want 0 to 12".formatted(type));
        };
    }

    private static List<Object> array(ByteBuffer data) {
        int type = data.getInt();
        long count = data.getLong();
        List<Object> list = new ArrayList<>();
        for (long i = 0; i < count; i++) {
            list.add(value(data, type));
        }
        return list;
    }
}
