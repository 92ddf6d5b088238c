package dev.salient.format;

import dev.salient.format.json.JsonFiles;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** A Hugging Face folder of a few hundred weights, to be spoilt before it is written. */
final class TinyFolder {
    static final String CONFIG = """
            {"architectures": ["LlamaForCausalLM"], "hidden_size": 8, "intermediate_size": 16,
             "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 10,
             "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "eos_token_id": 2}
            """;

    final Path path;
    final Map<String, Payload> tensors = new LinkedHashMap<>();
    String config = CONFIG;

    TinyFolder(Path path) throws IOException {
        this.path = Files.createDirectories(path);
        put("model.embed_tokens.weight", 10, 8);
        put("lm_head.weight", 10, 8);
        put("model.norm.weight", 8);
        String block = "model.layers.0.";
        put(block + "input_layernorm.weight", 8);
        put(block + "post_attention_layernorm.weight", 8);
        put(block + "self_attn.q_proj.weight", 8, 8);
        put(block + "self_attn.k_proj.weight", 4, 8);
        put(block + "self_attn.v_proj.weight", 4, 8);
        put(block + "self_attn.o_proj.weight", 8, 8);
        put(block + "mlp.gate_proj.weight", 16, 8);
        put(block + "mlp.up_proj.weight", 16, 8);
        put(block + "mlp.down_proj.weight", 8, 16);
    }

    /** A tensor whose element i is i. */
    void put(String name, int... dimensions) {
        float[] values = new float[(int) Shape.of(dimensions).elementCount()];
        for (int i = 0; i < values.length; i++) {
            values[i] = i;
        }
        put(name, values, dimensions);
    }

    void put(String name, float[] values, int... dimensions) {
        tensors.put(name, Payload.of(StoredType.F32, Shape.of(dimensions), MemorySegment.ofArray(values)));
    }

    Path write() throws IOException {
        JsonFiles.writeText(path.resolve("config.json"), config);
        SafetensorsWriter.write(path.resolve("model.safetensors"), Map.of("format", "pt"), tensors);
        return path;
    }
}
