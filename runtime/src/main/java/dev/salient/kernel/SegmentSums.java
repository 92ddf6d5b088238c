package dev.salient.kernel;

/** One token's activations, summed over each segment of a row: what zero points and minima meet. */
final class SegmentSums {
    /** [segments]. */
    float[] plain = new float[0];
    /** [segments], times a factor: what a number that is added to every code makes of the products. */
    float[] shifts = new float[0];

    /** Takes one row of activations, [in], at {@code at}. */
    void load(int segmentSize, int in, float[] x, int at, float factor) {
        int segments = in / segmentSize;
        if (plain.length < segments) {
            plain = new float[segments];
            shifts = new float[segments];
        }
        for (int s = 0; s < segments; s++) {
            float even = 0;
            float odd = 0;
            for (int i = at + s * segmentSize; i < at + (s + 1) * segmentSize; i += 2) {
                even += x[i];
                odd += x[i + 1];
            }
            plain[s] = even + odd;
            shifts[s] = factor * plain[s];
        }
    }
}
