package dev.salient.method;

import static dev.salient.method.Settings.require;

/**
 * The saliency-weighted term {@code sum F (W_eff - W)^2} and how much it counts.
 *
 * @param lambda its factor in block 0; see {@code scale}
 * @param multiplier the factor of block k is {@code lambda * multiplier^k}
 */
public record Preservation(Saliency saliency, Place place, double lambda, Scale scale, double multiplier) {
    public Preservation {
        require(lambda >= 0, "lambda: got %s, want 0 or more", lambda);
        require(multiplier > 0, "lambda multiplier: got %s, want more than 0", multiplier);
    }

    /** Which weights matter. */
    public enum Saliency {
        /** Squared gradients of the language-model loss. */
        FISHER,
        /** The mean of {@link #FISHER} over each group. */
        FISHER_GROUP,
        /** Energy of the input channel: the Hessian diagonal of the linear's squared output error. */
        ACTIVATION,
        /** Weight magnitude times the input channel's root mean square (Wanda). */
        WANDA,
        /** All alike: F = 1. */
        UNIFORM;

        /** Whether the squared gradients are needed. */
        public boolean looksAtGradients() {
            return this == FISHER || this == FISHER_GROUP;
        }

        /** Whether the inputs of the linears are needed. */
        public boolean looksAtInputs() {
            return this == ACTIVATION || this == WANDA;
        }
    }

    /** Which weights are held near the original's. */
    public enum Place {
        /** {@code W_eff = Q(W)}. */
        BEFORE_ADAPTER,
        /** {@code W_eff = Q(W) + scaling B A}. */
        AFTER_ADAPTER
    }

    /** What a lambda of 1 means. */
    public enum Scale {
        /** The paper's: F as it is. */
        ABSOLUTE,
        /** F is divided by its mean in each linear. */
        NORMALIZED,
        /** The term equals the block's output loss at the first step, whatever the model's and F's magnitude. */
        RELATIVE
    }
}
