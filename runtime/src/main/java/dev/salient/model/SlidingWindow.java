package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import java.util.Set;

/**
 * Blocks whose tokens see only the last tokens.
 *
 * @param tokens that a token sees, itself among them
 * @param blocks that have the window; the others see everything
 * @param ropeBase of the rotary frequencies in these blocks, which are never stretched; 0 where they are those of the
 *     others
 */
public record SlidingWindow(int tokens, Set<Integer> blocks, double ropeBase) {
    public SlidingWindow {
        require(tokens > 0, "sliding window: got %d tokens, want more than 0", tokens);
        blocks = Set.copyOf(blocks);
    }
}
