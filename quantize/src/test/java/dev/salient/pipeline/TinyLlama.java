package dev.salient.pipeline;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;

/** A Hugging Face folder with a random LLaMA of two blocks over bytes. */
public final class TinyLlama {
    private static final int HIDDEN = 64;
    private static final int VOCAB = 256;

    private TinyLlama() {}

    /** Writes it: hidden states of 64 channels, 128 in the MLP. */
    public static void write(Path folder, long seed) throws IOException {
        write(folder, seed, HIDDEN);
    }

    /** Writes one with so many channels. */
    static void write(Path folder, long seed, int hidden) throws IOException {
        int ffn = 2 * hidden;
        int kv = hidden / 2;
        Files.createDirectories(folder);
        Random random = new Random(seed);
        Map<String, Payload> tensors = new LinkedHashMap<>();
        tensors.put("model.embed_tokens.weight", matrix(random, VOCAB, hidden));
        for (int b = 0; b < 2; b++) {
            String block = "model.layers." + b + ".";
            tensors.put(block + "input_layernorm.weight", ones(hidden));
            tensors.put(block + "post_attention_layernorm.weight", ones(hidden));
            tensors.put(block + "self_attn.q_proj.weight", matrix(random, hidden, hidden));
            tensors.put(block + "self_attn.k_proj.weight", matrix(random, kv, hidden));
            tensors.put(block + "self_attn.v_proj.weight", matrix(random, kv, hidden));
            tensors.put(block + "self_attn.o_proj.weight", matrix(random, hidden, hidden));
            tensors.put(block + "mlp.gate_proj.weight", matrix(random, ffn, hidden));
            tensors.put(block + "mlp.up_proj.weight", matrix(random, ffn, hidden));
            tensors.put(block + "mlp.down_proj.weight", matrix(random, hidden, ffn));
        }
        tensors.put("model.norm.weight", ones(hidden));
        SafetensorsWriter.write(folder.resolve("model.safetensors"), Map.of("format", "pt"), tensors);
        Files.writeString(folder.resolve("config.json"), """
                {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
                 "hidden_size": %d, "intermediate_size": %d, "num_hidden_layers": 2, "num_attention_heads": 4,
                 "num_key_value_heads": 2, "vocab_size": 256, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
                 "rope_theta": 10000.0, "tie_word_embeddings": true, "torch_dtype": "float32"}
                """.formatted(hidden, ffn));
        Files.writeString(folder.resolve("tokenizer.json"), tokenizer().toString());
    }

    private static Payload matrix(Random random, int out, int in) {
        MemorySegment data = MemorySegment.ofArray(new byte[out * in * Float.BYTES]);
        for (int i = 0; i < out * in; i++) {
            short half = Float.floatToFloat16((float) (random.nextGaussian() / Math.sqrt(in)));
            DType.F32.set(data, i, Float.float16ToFloat(half)); // so that rounding to fp16 changes nothing
        }
        return Payload.of(StoredType.F32, Shape.of(out, in), data);
    }

    private static Payload ones(int count) {
        MemorySegment data = MemorySegment.ofArray(new byte[count * Float.BYTES]);
        for (int i = 0; i < count; i++) {
            DType.F32.set(data, i, 1);
        }
        return Payload.of(StoredType.F32, Shape.of(count), data);
    }

    /** Every byte is a token, in the letters that byte-level BPE writes for it. */
    static ObjectNode tokenizer() {
        ObjectNode tokenizer = new ObjectMapper().createObjectNode().put("version", "1.0");
        ObjectNode model = tokenizer.putObject("model").put("type", "BPE");
        model.putArray("merges");
        ObjectNode vocab = model.putObject("vocab");
        int shifted = 256;
        for (int b = 0; b < 256; b++) {
            boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
            vocab.put(String.valueOf((char) (printable ? b : shifted++)), b);
        }
        for (String part : new String[] {"pre_tokenizer", "decoder"}) {
            tokenizer
                    .putObject(part)
                    .put("type", "ByteLevel")
                    .put("add_prefix_space", false)
                    .put("trim_offsets", true)
                    .put("use_regex", true);
        }
        return tokenizer;
    }
}
