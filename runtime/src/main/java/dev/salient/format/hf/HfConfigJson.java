package dev.salient.format.hf;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.model.ModelConfig;
import dev.salient.model.RopeScaling;

/** Writes a {@code config.json}: what {@link HfConfig} reads. */
final class HfConfigJson {
    private HfConfigJson() {}

    /** The sizes and constants of a model, end tokens excepted. */
    static ObjectNode of(ModelConfig config) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.putArray("architectures").add("LlamaForCausalLM");
        json.put("model_type", "llama");
        json.put("hidden_size", config.hiddenSize());
        json.put("intermediate_size", config.ffnSize());
        json.put("num_hidden_layers", config.blockCount());
        json.put("num_attention_heads", config.headCount());
        json.put("num_key_value_heads", config.kvHeadCount());
        json.put("head_dim", config.headSize());
        json.put("vocab_size", config.vocabSize());
        json.put("max_position_embeddings", config.contextLength());
        json.put("rms_norm_eps", config.normEpsilon());
        json.put("rope_theta", config.ropeBase());
        json.put("tie_word_embeddings", config.tiedEmbeddings());
        json.put("hidden_act", "silu");
        json.put("attention_bias", false);
        json.put("mlp_bias", false);
        json.put("torch_dtype", "float16");
        RopeScaling scaling = config.ropeScaling();
        if (scaling != null) {
            json.putObject("rope_scaling")
                    .put("rope_type", "llama3")
                    .put("factor", scaling.factor())
                    .put("low_freq_factor", scaling.lowFrequencyFactor())
                    .put("high_freq_factor", scaling.highFrequencyFactor())
                    .put("original_max_position_embeddings", scaling.originalContext());
        }
        return json;
    }
}
