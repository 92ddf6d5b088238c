package dev.salient.format.aqlm;

import dev.salient.format.hf.HfNames;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.model.Family;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.Norm;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Random;

/**
 * An AQLM folder of one block and random codes, as AQLM's {@code convert_to_hf.py} writes it: codes from {@code 2^(bits - 1)} on become
 * negative, and values are {@code sum_m codebooks[m, code_m] * scale}.
 */
public final class AqlmFolder {
    private static final ModelConfig CONFIG = new ModelConfig(16, 24, 1, 2, 1, 8, 10, 32, 10000, null, 1e-5, true);

    public final Path path;
    final Map<String, Payload> tensors = new LinkedHashMap<>();
    private final Map<Linear, float[][]> rows = new EnumMap<>(Linear.class);
    private final Random random;
    private final int count;
    private final int bits;
    String config;

    /** A folder of {@code count} codebooks of {@code 2^bits} vectors for groups of 8. */
    public AqlmFolder(Path path, int count, int bits) throws IOException {
        this.path = Files.createDirectories(path);
        this.count = count;
        this.bits = bits;
        random = new Random(7);
        config = """
            {"architectures": ["LlamaForCausalLM"], "hidden_size": 16, "intermediate_size": 24,
             "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 10,
             "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
             "quantization_config": {"quant_method": "aqlm", "in_group_size": 8, "out_group_size": 1,
              "num_codebooks": %d, "nbits_per_codebook": %d,
              "linear_weights_not_to_quantize": ["model.embed_tokens.weight", "lm_head.weight"]}}
            """.formatted(count, bits);
        putHalves("model.embed_tokens.weight", new float[160], 10, 16);
        putHalves("model.norm.weight", new float[16], 16);
        putHalves(HfNames.norm(0, Norm.ATTENTION, Family.LLAMA), new float[16], 16);
        putHalves(HfNames.norm(0, Norm.MLP, Family.LLAMA), new float[16], 16);
        for (Linear linear : Linear.values()) {
            putLinear(linear);
        }
    }

    private void putLinear(Linear linear) {
        int out = linear.out(CONFIG);
        int in = linear.in(CONFIG);
        int entries = 1 << bits;
        String module = HfNames.module(new LinearId(0, linear)) + ".";
        float[] codebooks = halves(count * entries * 8);
        float[] scales = halves(out);
        int codeBytes = bits <= 8 ? 1 : 2;
        ByteBuffer codes =
                ByteBuffer.allocate(out * (in / 8) * count * codeBytes).order(ByteOrder.LITTLE_ENDIAN);
        float[][] values = new float[out][in];
        for (int o = 0; o < out; o++) {
            for (int g = 0; g < in / 8; g++) {
                for (int m = 0; m < count; m++) {
                    int code = random.nextInt(entries);
                    int stored = code >= entries / 2 ? code - entries : code;
                    if (codeBytes == 1) {
                        codes.put((byte) stored);
                    } else {
                        codes.putShort((short) stored);
                    }
                    for (int k = 0; k < 8; k++) {
                        values[o][8 * g + k] += codebooks[(m * entries + code) * 8 + k];
                    }
                }
            }
            for (int i = 0; i < in; i++) {
                values[o][i] *= scales[o];
            }
        }
        rows.put(linear, values);
        put(module + "codes", codeBytes == 1 ? StoredType.I8 : StoredType.I16, codes.array(), out, in / 8, count);
        putHalves(module + "codebooks", codebooks, count, entries, 1, 8);
        putHalves(module + "scales", scales, out, 1, 1, 1);
    }

    private float[] halves(int size) {
        float[] values = new float[size];
        for (int i = 0; i < size; i++) {
            values[i] = Float.float16ToFloat(Float.floatToFloat16((float) random.nextGaussian()));
        }
        return values;
    }

    float[] row(Linear linear, int row) {
        return Objects.requireNonNull(rows.get(linear))[row];
    }

    void putHalves(String name, float[] values, int... dimensions) {
        byte[] bytes = new byte[values.length * Short.BYTES];
        for (int i = 0; i < values.length; i++) {
            DType.F16.set(MemorySegment.ofArray(bytes), i, values[i]);
        }
        put(name, StoredType.F16, bytes, dimensions);
    }

    void put(String name, StoredType type, byte[] bytes, int... dimensions) {
        tensors.put(name, Payload.of(type, Shape.of(dimensions), MemorySegment.ofArray(bytes)));
    }

    public Path write() throws IOException {
        JsonFiles.writeText(path.resolve("config.json"), config);
        SafetensorsWriter.write(path.resolve("model.safetensors"), Map.of("format", "pt"), tensors);
        return path;
    }
}
