package dev.salient.method;

import static dev.salient.method.Settings.require;

/**
 * Low-rank adapters beside the weights: {@code (alpha / rank) B A}.
 *
 * @param rank 0 for none
 * @param start what they add before training
 * @param budget bits per weight, of all the model's block linears, that ranks of their own are bought with; 0: all have the same rank
 */
public record Adapters(Kind kind, int rank, double alpha, Start start, double budget) {
    /** No adapters. */
    public static final Adapters NONE = new Adapters(Kind.LORA, 0, 1, Start.ZERO);

    public Adapters {
        require(rank >= 0, "rank: got %d, want 0 or more", rank);
        require(alpha > 0, "alpha: got %s, want more than 0", alpha);
        require(budget >= 0, "--rank-budget: got %s, want 0 or more", budget);
        require(budget == 0 || rank > 0, "--rank-budget: got no adapters, want --method apiq, apiq-lw or sapr");
    }

    /** Adapters of one rank. */
    public Adapters(Kind kind, int rank, double alpha, Start start) {
        this(kind, rank, alpha, start, 0);
    }

    /** The same with another rank and the same scaling. */
    public Adapters withRank(int other) {
        return other == 0 ? new Adapters(kind, 0, alpha, start) : new Adapters(kind, other, scaling() * other, start);
    }

    /** What the product B A is multiplied with. */
    public double scaling() {
        return rank == 0 ? 0 : alpha / rank;
    }

    /** Bits that the adapter of a linear takes, in fp16. */
    public long bits(long out, long in) {
        long numbers = rank * (out + in) + (rank > 0 && kind == Kind.DORA ? out : 0);
        return Short.SIZE * numbers;
    }

    /** How a product is added. */
    public enum Kind {
        /** {@code W_eff = Q(W) + (alpha / rank) B A} (arXiv 2106.09685). */
        LORA,
        /** The same, each row then stretched to a length of its own, as long as the original's before training (arXiv 2402.09353). */
        DORA
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
