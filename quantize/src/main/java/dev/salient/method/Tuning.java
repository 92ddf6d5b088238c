package dev.salient.method;

import static dev.salient.method.Settings.require;

/**
 * How a quantized model is tuned end to end, to give the original's next-token distributions.
 *
 * @param epochs how often each window of text is seen
 * @param batch windows of one step
 * @param weightRate learning rate of the weights below the codes; of {@link Moves#WEIGHTS} only
 * @param scaleRate learning rate of the scales, relative to them
 * @param adapterRate learning rate of adapters, where the model has some
 * @param normRate learning rate of the norms' gains
 * @param embeddingRate learning rate of embedding and head, in units of their root mean square; at more than 0 the final norm moves too
 * @param codeSteps how codes move; of {@link Moves#CODES} and {@link Moves#PV}, its rate also of {@link Moves#STOCHASTIC}
 * @param pull what holds weights near the original's besides
 */
public record Tuning(
        Moves moves,
        int epochs,
        int batch,
        double weightRate,
        double scaleRate,
        double adapterRate,
        double normRate,
        double embeddingRate,
        CodeSteps codeSteps,
        Pull pull) {
    public Tuning {
        require(epochs > 0, "epochs: got %d, want 1 or more", epochs);
        require(batch > 0, "batch: got %d, want 1 or more", batch);
        require(weightRate >= 0, "weight rate: got %s, want 0 or more", weightRate);
        require(scaleRate >= 0, "scale rate: got %s, want 0 or more", scaleRate);
        require(adapterRate >= 0, "adapter rate: got %s, want 0 or more", adapterRate);
        require(normRate >= 0, "norm rate: got %s, want 0 or more", normRate);
        require(embeddingRate >= 0, "embedding rate: got %s, want 0 or more", embeddingRate);
    }

    /** Codes through weights below them, and scales, straight-through; the rates are those that did well so far. */
    public static Tuning weights(int batch) {
        return new Tuning(
                Moves.WEIGHTS, 1, batch, 2e-4, 1e-3, 1e-3, 1e-3, 0, new CodeSteps(1e-3, 0.01, 0.05, 0), Pull.NONE);
    }

    /**
     * The saliency term of partial retraining (ULB-SAPR, arXiv 2504.13932) beside the divergence: {@code sum F (W_eff - W)^2} over all
     * linears that are tuned.
     *
     * @param lambda its size beside the divergence, both as they are before the first step; 0 for none
     * @param saliency FISHER or UNIFORM
     */
    public record Pull(double lambda, Preservation.Saliency saliency) {
        /** No such term. */
        public static final Pull NONE = new Pull(0, Preservation.Saliency.FISHER);

        public Pull {
            require(lambda >= 0, "lambda: got %s, want 0 or more", lambda);
            require(
                    saliency == Preservation.Saliency.FISHER || saliency == Preservation.Saliency.UNIFORM,
                    "saliency: got %s, want fisher or uniform: tuning knows no others",
                    saliency);
        }

        /** Whether squared gradients are needed. */
        public boolean needsFisher() {
            return lambda > 0 && saliency == Preservation.Saliency.FISHER;
        }
    }

    /**
     * PV-Tuning's discrete step (arXiv 2405.14852, section 3.2) on a grid of numbers, where a group is a single code.
     *
     * @param rate how far Adam's direction carries a code, in steps of the grid
     * @param share of a linear's codes that may change in one step, those that were carried farthest: the paper's tau
     * @param trust how large, relative to a linear's values, their change in one step may be: the paper's rho; at least one code
     *     may always change
     * @param decay what of the way that a code was carried without changing is forgotten after a step: 0 keeps it, 1 starts anew
     */
    public record CodeSteps(double rate, double share, double trust, double decay) {
        public CodeSteps {
            require(rate >= 0, "code rate: got %s, want 0 or more", rate);
            require(share > 0 && share <= 1, "code share: got %s, want more than 0, at most 1", share);
            require(trust > 0, "trust: got %s, want more than 0", trust);
            require(decay >= 0 && decay <= 1, "decay: got %s, want 0 to 1", decay);
        }
    }

    /** What of a quantized weight may change. */
    public enum Moves {
        /** Scales; codes stay (EfficientQAT's end-to-end stage, arXiv 2407.11062, section 3.3; PV-Tuning's P step). */
        SCALES,
        /** Codes, a few in each step; scales stay (PV-Tuning's V step). */
        CODES,
        /** Scales and codes in turn, both in each step (PV-Tuning). */
        PV,
        /** Scales; and all codes by chance, so that their expected change is Adam's (stochastic rounding). */
        STOCHASTIC,
        /** Scales, and codes through a weight below them with straight-through gradients. */
        WEIGHTS
    }
}
