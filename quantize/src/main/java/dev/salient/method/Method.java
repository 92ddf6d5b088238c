package dev.salient.method;

import static dev.salient.method.Settings.require;

import java.util.List;

/** What to do to the weights of every block, as data. */
public sealed interface Method {
    /** The name that users write. */
    String name();

    Grid grid();

    /** Rank of the adapters; 0 without. */
    int rank();

    /** Bits that the adapter of a linear takes. */
    default long adapterBits(long out, long in) {
        return (long) Short.SIZE * rank() * (out + in);
    }

    /** Round to nearest: no data, no training. */
    record Rtn(Grid grid, Start start) implements Method {
        public Rtn {
            Settings.requireFixedScales("rtn", grid);
        }

        @Override
        public String name() {
            return "rtn";
        }

        @Override
        public int rank() {
            return 0;
        }
    }

    /**
     * GPTQ: each rounding error is made up for by the weights that are not rounded yet.
     *
     * @param damping added to the diagonal of X^T X, as a share of its mean
     * @param actOrder whether columns with the largest inputs come first
     */
    record Gptq(Grid grid, Start start, double damping, boolean actOrder) implements Method {
        public Gptq {
            require(damping > 0, "damping: got %s, want more than 0", damping);
            Settings.requireOneScale("gptq", grid);
        }

        @Override
        public String name() {
            return "gptq";
        }

        @Override
        public int rank() {
            return 0;
        }
    }

    /** Half-quadratic quantization: scales that forgive outliers, no data. */
    record Hqq(Grid grid, Start start) implements Method {
        public Hqq {
            Settings.requireOneScale("hqq", grid);
        }

        @Override
        public String name() {
            return "hqq";
        }

        @Override
        public int rank() {
            return 0;
        }
    }

    /**
     * Rounding, and an adapter fitted to its error by singular values.
     *
     * @param rank of the adapters
     * @param turns how often rounding and adapter are fitted in turn
     * @param looksAtInputs whether errors are weighed by the inputs (LQER), or all alike (LoftQ)
     */
    record ErrorAdapter(Grid grid, Start start, int rank, int turns, boolean looksAtInputs) implements Method {
        public ErrorAdapter {
            Settings.requireFixedScales(looksAtInputs ? "lqer" : "loftq", grid);
            require(rank > 0, "rank: got %d, want 1 or more", rank);
            require(turns > 0, "turns: got %d, want 1 or more", turns);
        }

        @Override
        public String name() {
            return looksAtInputs ? "lqer" : "loftq";
        }
    }

    /**
     * GSQ (arXiv 2604.18556): codes chosen by gradients, from GPTQ's on.
     *
     * @param epochs of each half of a block: attention, then MLP
     * @param logitRate learning rate of the logits
     * @param scaleRate learning rate of the scales, relative to them
     */
    record Gsq(Grid grid, Start start, TokenWeighting weighting, int epochs, double logitRate, double scaleRate)
            implements Method {
        public Gsq {
            Settings.requireOneScale("gsq", grid);
            require(
                    grid.largestCode() < 4,
                    "gsq: got a grid of %d codes, want at most 4: signed2, ternary, binary, or affine of 2 bits",
                    grid.largestCode() + 1);
            require(epochs > 0, "epochs: got %d, want 1 or more", epochs);
            require(logitRate >= 0, "logit rate: got %s, want 0 or more", logitRate);
            require(scaleRate >= 0, "scale rate: got %s, want 0 or more", scaleRate);
        }

        @Override
        public String name() {
            return "gsq";
        }

        @Override
        public int rank() {
            return 0;
        }
    }

    /**
     * AQLM: additive codebooks, fitted to each linear's outputs and then to the block's.
     *
     * @param beam how many assignments of codes the search keeps at a time
     * @param epochs of training codebooks and scales on the block's outputs
     * @param rate of that training, in units of a row's root mean square
     */
    record Aqlm(Grid.Codebooks grid, int beam, TokenWeighting weighting, int epochs, double rate) implements Method {
        public Aqlm {
            require(beam >= 1, "beam: got %d, want 1 or more", beam);
            require(epochs >= 0, "epochs: got %d, want 0 or more", epochs);
            require(rate >= 0, "codebook rate: got %s, want 0 or more", rate);
        }

        @Override
        public String name() {
            return "aqlm";
        }

        @Override
        public int rank() {
            return 0;
        }
    }

    /** Whether it must see what the linears are fed. */
    default boolean looksAtData() {
        return switch (this) {
            case Rtn rtn -> false;
            case Hqq hqq -> false;
            case ErrorAdapter adapter -> adapter.looksAtInputs();
            case Gptq gptq -> true;
            case Gsq gsq -> true;
            case Aqlm aqlm -> true;
            case PartialRetraining retraining -> true;
        };
    }

    /**
     * ApiQ's training of clipping and adapters, with ULB-SAPR's saliency-aware preservation in stages; weights are trained along
     * where a stage has a rate for them (EfficientQAT's Block-AP, arXiv 2407.11062).
     *
     * @param scope whose outputs are fitted
     */
    record PartialRetraining(
            Grid grid,
            Start start,
            Adapters adapters,
            Scope scope,
            TokenWeighting weighting,
            Preservation preservation,
            List<Stage> stages,
            HeldOut heldOut)
            implements Method {
        public PartialRetraining {
            require(!stages.isEmpty(), "stages: got none, want at least one");
            require(
                    scope == Scope.BLOCK
                            || stages.stream().allMatch(stage -> stage.terms().equals(Terms.NONE)),
                    "stages: got sw or attention, want them where whole blocks are trained, not apiq-lw");
            require(
                    !(grid instanceof Grid.BinaryMos) || adapters.kind() == Adapters.Kind.LORA,
                    "--grid binary-mos: got --adapter dora, want lora: rows whose scales follow the token have no one length");
            require(
                    !(grid instanceof Grid.BinaryMos) || adapters.budget() == 0,
                    "--grid binary-mos: got --rank-budget, want --rank: there is no rounding error to buy ranks by");
            stages = List.copyOf(stages);
        }

        @Override
        public String name() {
            if (preserves()) {
                return "sapr";
            }
            if (rank() > 0) {
                return scope == Scope.LINEARS ? "apiq-lw" : "apiq";
            }
            return trainsWeights() ? "block-ap" : "omniquant";
        }

        @Override
        public int rank() {
            return adapters.rank();
        }

        @Override
        public long adapterBits(long out, long in) {
            return adapters.bits(out, in);
        }

        /** Whether any stage needs a saliency. */
        public boolean preserves() {
            return preservation.lambda() > 0
                    && stages.stream().anyMatch(stage -> stage.objective().preserves() && stage.epochs() > 0);
        }

        /** Whether the weights that are rounded are trained too. */
        public boolean trainsWeights() {
            return stages.stream().anyMatch(stage -> stage.weightRate() > 0 && stage.epochs() > 0);
        }
    }

    /** Whose outputs a training fits. */
    enum Scope {
        /** The block's, all its linears at once (ApiQ-bw). */
        BLOCK,
        /** Those of linears with the same inputs, one such group after the other: q, k, v; o; gate, up; down (ApiQ-lw). */
        LINEARS
    }

    /** Where the clipping of a group starts. */
    enum Start {
        /** The paper's: both logits at 4, so that next to nothing is clipped. */
        RANGE,
        /** The clipping with the least squared error of the group. */
        SQUARED_ERROR
    }
}
