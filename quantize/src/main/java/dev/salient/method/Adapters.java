package dev.salient.method;

import static dev.salient.method.Settings.require;

/**
 * Low-rank adapters beside the weights: {@code (alpha / rank) B A}.
 *
 * @param rank 0 for none
 * @param start what they add before training
 */
public record Adapters(int rank, double alpha, Start start) {
    /** No adapters. */
    public static final Adapters NONE = new Adapters(0, 1, Start.ZERO);

    public Adapters {
        require(rank >= 0, "rank: got %d, want 0 or more", rank);
        require(alpha > 0, "alpha: got %s, want more than 0", alpha);
    }

    /** What the product B A is multiplied with. */
    public double scaling() {
        return rank == 0 ? 0 : alpha / rank;
    }

    /** What adapters add before training. */
    public enum Start {
        /** Nothing: A random, B zero (LoRA). */
        ZERO,
        /** The product of their rank nearest to what rounding takes away (LoftQ, arXiv 2310.08659, with one turn). */
        LOFTQ,
        /** The same, weighed by what the inputs carry (LQER, arXiv 2402.02446). */
        LQER
    }
}
