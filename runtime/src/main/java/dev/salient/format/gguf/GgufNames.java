package dev.salient.format.gguf;

import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.Norm;

/** What GGUF files call their tensors. */
final class GgufNames {
    static final String EMBEDDING = "token_embd.weight";
    static final String HEAD = "output.weight";
    static final String FINAL_NORM = "output_norm.weight";
    static final String ROPE_FACTORS = "rope_freqs.weight";
    static final String ROPE_SHORT_FACTORS = "rope_factors_short.weight";
    static final String ROPE_LONG_FACTORS = "rope_factors_long.weight";

    private GgufNames() {}

    static String norm(int block, Norm norm) {
        String within = switch (norm) {
            case ATTENTION -> "attn_norm";
            case QUERY -> "attn_q_norm";
            case KEY -> "attn_k_norm";
            case ATTENTION_OUTPUT -> "post_attention_norm";
            case MLP -> "ffn_norm";
            case MLP_OUTPUT -> "post_ffw_norm";
        };
        return "blk." + block + "." + within + ".weight";
    }

    /** Where Phi-3 stores queries, keys and values. */
    static String fused(int block) {
        return "blk." + block + ".attn_qkv.weight";
    }

    static String bias(LinearId id) {
        return "blk." + id.block() + "." + within(id.linear()) + ".bias";
    }

    static String linear(LinearId id) {
        return "blk." + id.block() + "." + within(id.linear()) + ".weight";
    }

    private static String within(Linear linear) {
        return switch (linear) {
            case Q -> "attn_q";
            case K -> "attn_k";
            case V -> "attn_v";
            case O -> "attn_output";
            case GATE -> "ffn_gate";
            case UP -> "ffn_up";
            case DOWN -> "ffn_down";
        };
    }
}
