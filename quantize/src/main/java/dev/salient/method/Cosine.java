package dev.salient.method;

/** Learning rates that rise for 3 % of the steps and then follow a cosine to zero. */
public final class Cosine {
    private static final double WARM_UP = 0.03;

    private Cosine() {}

    /** The factor of a step's rates, 0 to 1. */
    public static double factor(int step, int steps) {
        double warm = Math.max(1, WARM_UP * steps);
        return step < warm ? (step + 1) / warm : 0.5 * (1 + Math.cos(Math.PI * (step - warm) / (steps - warm)));
    }
}
