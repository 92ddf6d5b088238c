package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a model does otherwise than LLaMA.
 *
 * @param biased linears that add a bias
 * @param attentionScale factor of the products of queries and keys; LLaMA's is 1 / sqrt(headSize)
 * @param attentionCap bound of attention's scores, {@code cap tanh(score / cap)}; 0 for none
 * @param logitCap the same for the logits
 * @param window null where every token sees all before it
 */
public record Traits(
        Family family,
        Set<Linear> biased,
        double attentionScale,
        double attentionCap,
        double logitCap,
        @Nullable SlidingWindow window) {
    public Traits {
        biased = Set.copyOf(biased);
        require(attentionScale > 0, "attention scale: got %s, want more than 0", attentionScale);
        require(attentionCap >= 0, "attention cap: got %s, want 0 or more", attentionCap);
        require(logitCap >= 0, "logit cap: got %s, want 0 or more", logitCap);
    }

    /** LLaMA. */
    public static Traits llama(int headSize) {
        return new Traits(Family.LLAMA, Set.of(), 1 / Math.sqrt(headSize), 0, 0, null);
    }
}
