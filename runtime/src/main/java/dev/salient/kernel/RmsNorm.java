package dev.salient.kernel;

import dev.salient.tensor.Tensor;

/** A root-mean-square norm: {@code y = gain * x / sqrt(mean(x^2) + epsilon)}. */
public final class RmsNorm {
    private final float[] gain;
    private final double epsilon;

    /**
     * A norm over a copy of the gain.
     *
     * @param gain [channels]
     * @param epsilon added to the mean square
     */
    public RmsNorm(Tensor gain, double epsilon) {
        this.gain = gain.toFloats();
        this.epsilon = epsilon;
    }

    int channels() {
        return gain.length;
    }

    float[] gain() {
        return gain;
    }

    double epsilon() {
        return epsilon;
    }
}
