package dev.salient.kernel;

/** The activation of an MLP's gate. */
public enum Gate {
    /** {@code x / (1 + exp(-x))}. */
    SILU,
    /** {@code x / (1 + exp(-2 sqrt(2 / pi) (x + 0.044715 x^3)))}, the tanh form of GELU. */
    GELU;

    /** Factors of x and x^3 in the exponent of GELU. */
    static final double GELU_LINEAR = 2 * Math.sqrt(2 / Math.PI);

    static final double GELU_CUBIC = GELU_LINEAR * 0.044715;

    /** The definition. */
    double of(double x) {
        return switch (this) {
            case SILU -> x / (1 + Math.exp(-x));
            case GELU -> x / (1 + Math.exp(-x * (GELU_LINEAR + GELU_CUBIC * x * x)));
        };
    }
}
