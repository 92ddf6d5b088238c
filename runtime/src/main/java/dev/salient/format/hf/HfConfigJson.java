package dev.salient.format.hf;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.model.Family;
import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.model.RopeScaling;
import dev.salient.model.SlidingWindow;
import dev.salient.model.Traits;

/** Writes a {@code config.json}: what {@link HfConfig} reads. */
final class HfConfigJson {
    private HfConfigJson() {}

    /** The sizes and constants of a model, end tokens excepted. */
    static ObjectNode of(ModelConfig config) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        HfFamily family = HfConfig.familyOf(config.family());
        json.putArray("architectures").add(family.architecture());
        json.put("model_type", family.modelType());
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
        json.put(family.gemma() ? "hidden_activation" : "hidden_act", family.gemma() ? "gelu_pytorch_tanh" : "silu");
        json.put("attention_bias", config.traits().biased().contains(Linear.O));
        json.put("mlp_bias", config.traits().biased().contains(Linear.DOWN));
        json.put("torch_dtype", "float16");
        RopeScaling scaling = config.ropeScaling();
        if (scaling != null) {
            putScaling(json.putObject("rope_scaling"), scaling, config.contextLength());
        }
        putWindow(json, config);
        if (family.gemma()) {
            putGemma(json, config.traits());
        }
        return json;
    }

    private static void putScaling(ObjectNode json, RopeScaling scaling, int context) {
        switch (scaling) {
            case RopeScaling.Llama3 llama3 ->
                json.put("rope_type", "llama3")
                        .put("factor", llama3.factor())
                        .put("low_freq_factor", llama3.lowFrequencyFactor())
                        .put("high_freq_factor", llama3.highFrequencyFactor())
                        .put("original_max_position_embeddings", llama3.originalContext());
            case RopeScaling.Yarn yarn ->
                json.put("rope_type", "yarn")
                        .put("factor", yarn.factor())
                        .put("original_max_position_embeddings", yarn.originalContext())
                        .put("beta_fast", yarn.fast())
                        .put("beta_slow", yarn.slow())
                        .put("truncate", yarn.whole())
                        .put("attention_factor", yarn.magnitude());
            case RopeScaling.Linear linear -> json.put("rope_type", "linear").put("factor", linear.factor());
            case RopeScaling.Divisors each -> {
                json.put("rope_type", "longrope").put("factor", 1.0);
                json.put("attention_factor", each.magnitude()).put("original_max_position_embeddings", context);
                each.divisors().forEach(json.putArray("short_factor")::add);
                each.divisors().forEach(json.putArray("long_factor")::add);
            }
        }
    }

    private static void putWindow(ObjectNode json, ModelConfig config) {
        SlidingWindow window = config.traits().window();
        json.put("sliding_window", window == null ? null : (Integer) window.tokens());
        json.put("use_sliding_window", window != null);
        if (window != null && config.family() != Family.MISTRAL) {
            ArrayNode types = json.putArray("layer_types");
            for (int b = 0; b < config.blockCount(); b++) {
                types.add(config.isLocal(b) ? "sliding_attention" : "full_attention");
            }
        }
        if (window != null && window.ropeBase() != 0) {
            json.put("rope_local_base_freq", window.ropeBase());
        }
    }

    private static void putGemma(ObjectNode json, Traits traits) {
        double scalar = 1 / (traits.attentionScale() * traits.attentionScale());
        json.put("query_pre_attn_scalar", Math.round(scalar)); // whole in every model
        json.put("attn_logit_softcapping", traits.attentionCap() == 0 ? null : (Double) traits.attentionCap());
        json.put("final_logit_softcapping", traits.logitCap() == 0 ? null : (Double) traits.logitCap());
    }
}
