package dev.salient.format.awq;

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
import java.util.Random;

/** An AWQ folder of one block and random codes in groups of 8, packed as AutoAWQ's {@code WQLinear_GEMM.from_linear} does it. */
public final class AwqFolder {
    private static final ModelConfig CONFIG = new ModelConfig(16, 24, 1, 2, 1, 8, 10, 32, 10000, null, 1e-5, true);
    private static final int[] ORDER = {0, 2, 4, 6, 1, 3, 5, 7};
    private static final int GROUP = 8;

    public final Path path;
    final Map<String, Payload> tensors = new LinkedHashMap<>();
    private final Map<Linear, float[][]> rows = new EnumMap<>(Linear.class);
    private final Random random;
    String config = """
            {"architectures": ["LlamaForCausalLM"], "hidden_size": 16, "intermediate_size": 24,
             "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 10,
             "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
             "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 8, "zero_point": true,
              "version": "gemm", "modules_to_not_convert": null}}
            """;

    public AwqFolder(Path path, long seed) throws IOException {
        this.path = Files.createDirectories(path);
        random = new Random(seed);
        putHalves("model.embed_tokens.weight", new float[160], 10, 16);
        putHalves("model.norm.weight", new float[16], 16);
        putHalves(HfNames.norm(0, Norm.ATTENTION, Family.LLAMA), new float[16], 16);
        putHalves(HfNames.norm(0, Norm.MLP, Family.LLAMA), new float[16], 16);
        for (Linear linear : Linear.values()) {
            putLinear(linear);
        }
    }

    /** Takes the zero points away, as a symmetric grid has none. */
    void makeSymmetric() {
        config = config.replace("\"zero_point\": true", "\"zero_point\": false");
        tensors.keySet().removeIf(name -> name.endsWith("qzeros"));
    }

    private void putLinear(Linear linear) {
        int out = linear.out(CONFIG);
        int in = linear.in(CONFIG);
        int groups = in / GROUP;
        String module = HfNames.module(new LinearId(0, linear)) + ".";
        int[][] codes = draw(in, out);
        int[][] zeros = draw(groups, out);
        float[] scales = new float[groups * out];
        float[][] values = new float[out][in];
        for (int i = 0; i < scales.length; i++) {
            scales[i] = Float.float16ToFloat(Float.floatToFloat16((float) random.nextGaussian()));
        }
        for (int o = 0; o < out; o++) {
            for (int i = 0; i < in; i++) {
                int g = i / GROUP;
                values[o][i] = scales[g * out + o] * (codes[i][o] - zeros[g][o]);
            }
        }
        rows.put(linear, values);
        put(module + "qweight", packed(codes), in, out / 8);
        put(module + "qzeros", packed(zeros), groups, out / 8);
        putHalves(module + "scales", scales, groups, out);
    }

    private int[][] draw(int rows, int columns) {
        int[][] drawn = new int[rows][columns];
        for (int[] row : drawn) {
            for (int i = 0; i < columns; i++) {
                row[i] = random.nextInt(16);
            }
        }
        return drawn;
    }

    private static int[] packed(int[][] codes) {
        int columns = codes[0].length / 8;
        int[] words = new int[codes.length * columns];
        for (int row = 0; row < codes.length; row++) {
            for (int column = 0; column < columns; column++) {
                for (int n = 0; n < 8; n++) {
                    words[row * columns + column] |= codes[row][column * 8 + ORDER[n]] << (4 * n);
                }
            }
        }
        return words;
    }

    float[] row(Linear linear, int row) {
        return java.util.Objects.requireNonNull(rows.get(linear))[row];
    }

    void put(String name, int[] words, int... dimensions) {
        ByteBuffer bytes = ByteBuffer.allocate(words.length * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(words);
        put(name, StoredType.I32, bytes.array(), dimensions);
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
