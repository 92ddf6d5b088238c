package dev.salient.format.hf;

import dev.salient.model.Linear;
import dev.salient.model.LinearId;

/** What Hugging Face's LLaMA calls its tensors. */
public final class HfNames {
    public static final String EMBEDDING = "model.embed_tokens.weight";
    public static final String FINAL_NORM = "model.norm.weight";
    public static final String HEAD = "lm_head.weight";

    private HfNames() {}

    /** The module of a linear, such as {@code model.layers.11.mlp.up_proj}. */
    public static String module(LinearId id) {
        return "model.layers." + id.block() + "." + within(id.linear());
    }

    public static String attentionNorm(int block) {
        return "model.layers." + block + ".input_layernorm.weight";
    }

    public static String mlpNorm(int block) {
        return "model.layers." + block + ".post_attention_layernorm.weight";
    }

    /** A buffer that old checkpoints store though it follows from the configuration. */
    public static String rotaryBuffer(int block) {
        return "model.layers." + block + ".self_attn.rotary_emb.inv_freq";
    }

    /** The last part of a linear's name, such as {@code up_proj}. */
    public static String projection(Linear linear) {
        return linear.label() + "_proj";
    }

    private static String within(Linear linear) {
        return switch (linear) {
            case Q, K, V, O -> "self_attn." + projection(linear);
            case GATE, UP, DOWN -> "mlp." + projection(linear);
        };
    }
}
