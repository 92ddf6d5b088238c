package dev.salient.format.hf;

import dev.salient.model.Family;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.Norm;
import org.jspecify.annotations.Nullable;

/** What Hugging Face calls the tensors of a model. */
public final class HfNames {
    public static final String EMBEDDING = "model.embed_tokens.weight";
    public static final String FINAL_NORM = "model.norm.weight";
    public static final String HEAD = "lm_head.weight";

    private HfNames() {}

    /** The module of a linear, such as {@code model.layers.11.mlp.up_proj}. */
    public static String module(LinearId id) {
        return "model.layers." + id.block() + "." + within(id.linear());
    }

    /** A norm of a block; LLaMA's norm before the MLP has the name that Gemma's has after attention. */
    public static String norm(int block, Norm norm, Family family) {
        String within = switch (norm) {
            case ATTENTION -> "input_layernorm";
            case QUERY -> "self_attn.q_norm";
            case KEY -> "self_attn.k_norm";
            case ATTENTION_OUTPUT -> "post_attention_layernorm";
            case MLP -> family.outputNorms() ? "pre_feedforward_layernorm" : "post_attention_layernorm";
            case MLP_OUTPUT -> "post_feedforward_layernorm";
        };
        return "model.layers." + block + "." + within + ".weight";
    }

    /** Where Phi-3 stores several linears, one's rows after another's; null for a linear that it stores alone. */
    static @Nullable String fused(LinearId id) {
        return switch (id.linear()) {
            case Q, K, V -> "model.layers." + id.block() + ".self_attn.qkv_proj.weight";
            case GATE, UP -> "model.layers." + id.block() + ".mlp.gate_up_proj.weight";
            case O, DOWN -> null;
        };
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
