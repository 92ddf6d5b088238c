package dev.salient.format;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.salient.model.ModelConfig;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A GGUF file of a few hundred weights, to be spoilt before its bytes are taken. */
final class TinyGguf {
    static final int F32 = 0;

    int version = 3;
    /** Added to each offset that is written. */
    long shift;

    final Map<String, Object> metadata = new LinkedHashMap<>();
    final List<Entry> tensors = new ArrayList<>();

    /** Dimensions innermost first, as the file has them. */
    @SuppressWarnings("ArrayRecordComponent") // bytes on their way into a file
    record Entry(String name, int type, List<Long> dimensions, byte[] data) {}

    TinyGguf() {
        metadata.put("general.architecture", "llama");
        metadata.put("llama.block_count", 1);
        metadata.put("llama.context_length", 32);
        metadata.put("llama.embedding_length", 8);
        metadata.put("llama.feed_forward_length", 16);
        metadata.put("llama.attention.head_count", 2);
        metadata.put("llama.attention.head_count_kv", 1);
        metadata.put("llama.attention.layer_norm_rms_epsilon", 1e-5f);
        metadata.put("tokenizer.ggml.eos_token_id", 2);
        metadata.put("tokenizer.ggml.eot_token_id", 5);
        floats("token_embd.weight", 8, 10);
        floats("blk.0.attn_norm.weight", 8);
        floats("blk.0.attn_q.weight", 8, 8);
        floats("blk.0.attn_k.weight", 8, 4);
        floats("blk.0.attn_v.weight", 8, 4);
        floats("blk.0.attn_output.weight", 8, 8);
        floats("blk.0.ffn_norm.weight", 8);
        floats("blk.0.ffn_gate.weight", 8, 16);
        floats("blk.0.ffn_up.weight", 8, 16);
        floats("blk.0.ffn_down.weight", 16, 8);
        floats("output_norm.weight", 8);
    }

    static ModelConfig config() {
        return new ModelConfig(8, 16, 1, 2, 1, 4, 10, 32, 10000, null, (double) 1e-5f, true);
    }

    /** A tensor whose element i is i. */
    void floats(String name, long... dimensions) {
        long count = 1;
        for (long dimension : dimensions) {
            count *= dimension;
        }
        float[] values = new float[(int) count];
        for (int i = 0; i < values.length; i++) {
            values[i] = i;
        }
        put(name, values, dimensions);
    }

    void put(String name, float[] values, long... dimensions) {
        ByteBuffer data = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            data.putFloat(value);
        }
        put(name, F32, data.array(), dimensions);
    }

    void put(String name, int type, byte[] data, long... dimensions) {
        List<Long> sizes = new ArrayList<>();
        for (long dimension : dimensions) {
            sizes.add(dimension);
        }
        Entry entry = new Entry(name, type, sizes, data);
        for (int i = 0; i < tensors.size(); i++) {
            if (tensors.get(i).name.equals(name)) {
                tensors.set(i, entry);
                return;
            }
        }
        tensors.add(entry);
    }

    static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    byte[] bytes() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes("GGUF".getBytes(UTF_8));
        out.writeBytes(little(20)
                .putInt(version)
                .putLong(tensors.size())
                .putLong(metadata.size())
                .array());
        metadata.forEach((key, value) -> {
            text(out, key);
            value(out, value);
        });
        long offset = 0;
        for (Entry tensor : tensors) {
            text(out, tensor.name);
            out.writeBytes(little(4).putInt(tensor.dimensions.size()).array());
            tensor.dimensions.forEach(d -> out.writeBytes(little(8).putLong(d).array()));
            out.writeBytes(little(12).putInt(tensor.type).putLong(offset).array());
            offset = align(offset + tensor.data.length) + shift;
        }
        for (Entry tensor : tensors) {
            pad(out);
            out.writeBytes(tensor.data);
        }
        return out.toByteArray();
    }

    private static void text(ByteArrayOutputStream out, String text) {
        byte[] bytes = text.getBytes(UTF_8);
        out.writeBytes(little(8).putLong(bytes.length).array());
        out.writeBytes(bytes);
    }

    private static void value(ByteArrayOutputStream out, Object value) {
        switch (value) {
            case Integer number ->
                out.writeBytes(little(8).putInt(4).putInt(number).array());
            case Float number ->
                out.writeBytes(little(8).putInt(6).putFloat(number).array());
            case Boolean flag ->
                out.writeBytes(little(5).putInt(7).put((byte) (flag ? 1 : 0)).array());
            case String text -> {
                out.writeBytes(little(4).putInt(8).array());
                text(out, text);
            }
            case List<?> list -> {
                boolean texts = list.getFirst() instanceof String;
                out.writeBytes(little(16)
                        .putInt(9)
                        .putInt(texts ? 8 : 4)
                        .putLong(list.size())
                        .array());
                for (Object element : list) {
                    if (element instanceof String text) {
                        text(out, text);
                    } else {
                        out.writeBytes(little(4).putInt((Integer) element).array());
                    }
                }
            }
            default -> throw new IllegalArgumentException(value.toString());
        }
    }

    private static long align(long at) {
        return (at + 31) / 32 * 32;
    }

    private static void pad(ByteArrayOutputStream out) {
        out.writeBytes(new byte[(int) (align(out.size()) - out.size())]);
    }
}
