package dev.salient.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/** Writes a Hugging Face folder: a random LLaMA of two blocks over bytes, with a ChatML template. */
final class TinyModel {
    static final int HIDDEN = 64;
    static final int FFN = 96;
    static final int BLOCKS = 2;
    static final int KV = 32;
    static final int VOCAB = 259;

    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private final ObjectNode header = JSON.objectNode();
    private final ByteArrayOutputStream data = new ByteArrayOutputStream();
    private final Random random;

    private TinyModel(long seed) {
        random = new Random(seed);
    }

    static Path write(Path folder, long seed) throws IOException {
        Files.createDirectories(folder);
        new TinyModel(seed).writeWeights(folder.resolve("model.safetensors"));
        Files.writeString(folder.resolve("config.json"), """
                {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
                 "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
                 "num_key_value_heads": 2, "vocab_size": 259, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
                 "rope_theta": 10000.0, "tie_word_embeddings": false, "torch_dtype": "float32", "eos_token_id": 258}
                """);
        Files.writeString(folder.resolve("tokenizer.json"), tokenizer().toString());
        Files.writeString(folder.resolve("tokenizer_config.json"), """
                {"eos_token": "<|im_end|>", "chat_template":
                "{% for m in messages %}<|im_start|>{{ m['role'] }}\\n{{ m['content'] }}<|im_end|>\\n{% endfor %}\
                {% if add_generation_prompt %}<|im_start|>assistant\\n{% endif %}"}
                """);
        return folder;
    }

    private void writeWeights(Path file) throws IOException {
        matrix("model.embed_tokens.weight", VOCAB, HIDDEN);
        for (int b = 0; b < BLOCKS; b++) {
            String block = "model.layers." + b + ".";
            vector(block + "input_layernorm.weight");
            matrix(block + "self_attn.q_proj.weight", HIDDEN, HIDDEN);
            matrix(block + "self_attn.k_proj.weight", KV, HIDDEN);
            matrix(block + "self_attn.v_proj.weight", KV, HIDDEN);
            matrix(block + "self_attn.o_proj.weight", HIDDEN, HIDDEN);
            vector(block + "post_attention_layernorm.weight");
            matrix(block + "mlp.gate_proj.weight", FFN, HIDDEN);
            matrix(block + "mlp.up_proj.weight", FFN, HIDDEN);
            matrix(block + "mlp.down_proj.weight", HIDDEN, FFN);
        }
        vector("model.norm.weight");
        matrix("lm_head.weight", VOCAB, HIDDEN);
        byte[] json = header.toString().getBytes(UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES + json.length + data.size())
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .put(data.toByteArray());
        Files.write(file, bytes.array());
    }

    private void matrix(String name, int out, int in) {
        float[] values = new float[out * in];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextGaussian() / Math.sqrt(in));
        }
        add(name, values, out, in);
    }

    private void vector(String name) {
        float[] ones = new float[HIDDEN];
        java.util.Arrays.fill(ones, 1);
        add(name, ones, HIDDEN);
    }

    private void add(String name, float[] values, int... shape) {
        ObjectNode entry = header.putObject(name);
        entry.put("dtype", "F32");
        for (int dimension : shape) {
            entry.withArray("shape").add(dimension);
        }
        entry.putArray("data_offsets").add(data.size()).add(data.size() + values.length * Float.BYTES);
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        data.writeBytes(bytes.array());
    }

    /** Every byte is a token, in the letters that byte-level BPE writes for it. */
    private static ObjectNode tokenizer() {
        ObjectNode tokenizer = JSON.objectNode();
        tokenizer.put("version", "1.0");
        ObjectNode model = tokenizer.putObject("model");
        model.put("type", "BPE");
        ObjectNode vocab = model.putObject("vocab");
        int shifted = 256;
        for (int b = 0; b < 256; b++) {
            boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
            vocab.put(String.valueOf((char) (printable ? b : shifted++)), b);
        }
        model.putArray("merges");
        String[] control = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
        for (int i = 0; i < control.length; i++) {
            tokenizer
                    .withArray("added_tokens")
                    .addObject()
                    .put("id", 256 + i)
                    .put("content", control[i])
                    .put("special", true)
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false);
        }
        tokenizer
                .putObject("pre_tokenizer")
                .put("type", "ByteLevel")
                .put("add_prefix_space", false)
                .put("trim_offsets", true)
                .put("use_regex", true);
        tokenizer
                .putObject("decoder")
                .put("type", "ByteLevel")
                .put("add_prefix_space", true)
                .put("trim_offsets", true)
                .put("use_regex", true);
        return tokenizer;
    }
}
