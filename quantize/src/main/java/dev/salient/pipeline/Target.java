package dev.salient.pipeline;

import static dev.salient.tensor.Preconditions.require;

/**
 * Bits that a run may spend in all, more of them on the linears where they help most.
 *
 * @param bits per weight of the block linears; 0: all linears are in the method's grid, but for those kept
 * @param sensitivity what is taken for a linear's share in the loss
 */
public record Target(double bits, Sensitivity sensitivity) {
    /** No bits but the method's own. */
    public static final Target NONE = new Target(0, Sensitivity.FISHER);

    public Target {
        require(bits >= 0, "--target-bpw: got %s, want more than 0", bits);
    }

    /** What rounding one linear alone is said to cost the model. */
    public enum Sensitivity {
        /** {@code 1/2 sum F (Q(W) - W)^2}, F the Fisher information: one pass for all linears. */
        FISHER,
        /** The divergence {@code KL(original || rounded)} of next tokens, measured for each linear in each grid. */
        KL
    }

    /** Whether there is one, chosen in this way. */
    boolean isBy(Sensitivity way) {
        return bits > 0 && sensitivity == way;
    }
}
