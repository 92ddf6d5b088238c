package dev.salient.format.gguf;

import dev.salient.model.Linear;
import dev.salient.model.LinearId;

/** What GGUF files of architecture {@code llama} call their tensors. */
final class GgufNames {
    static final String EMBEDDING = "token_embd.weight";
    static final String HEAD = "output.weight";
    static final String FINAL_NORM = "output_norm.weight";
    static final String ROPE_FACTORS = "rope_freqs.weight";

    private GgufNames() {}

    static String attentionNorm(int block) {
        return "blk." + block + ".attn_norm.weight";
    }

    static String mlpNorm(int block) {
        return "blk." + block + ".ffn_norm.weight";
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
