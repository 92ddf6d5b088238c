package dev.salient.kernel;

import static dev.salient.tensor.Preconditions.require;

/**
 * The sizes of attention in one block.
 *
 * @param heads query heads
 * @param kvHeads key and value heads; each serves {@code heads / kvHeads} query heads
 * @param headSize channels of a head
 * @param capacity tokens that fit
 * @param rule how keys are scored
 */
public record KvShape(int heads, int kvHeads, int headSize, int capacity, ScoreRule rule) {
    public KvShape {
        require(kvHeads > 0 && heads % kvHeads == 0, "heads: %d key/value heads do not divide %d", kvHeads, heads);
        require(headSize > 0, "head size: got %d, want more than 0", headSize);
        require(capacity > 0, "cache: got a capacity of %d tokens, want more than 0", capacity);
    }

    /** Sizes with LLaMA's scores. */
    public KvShape(int heads, int kvHeads, int headSize, int capacity) {
        this(heads, kvHeads, headSize, capacity, ScoreRule.plain(headSize));
    }

    /** Query heads that share one key/value head. */
    public int headsPerKv() {
        return heads / kvHeads;
    }
}
