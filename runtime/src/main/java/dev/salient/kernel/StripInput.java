package dev.salient.kernel;

import java.util.Arrays;

/** One token's activations as products with strips read them: for a plane, and summed over each segment. */
final class StripInput {
    /** [in], each times the inverse of what its code is multiplied by where it is masked. */
    float[] values = new float[0];
    /** [segments], of the plain activations. */
    float[] sums = new float[0];
    /** [segments], what the zero that is subtracted from every code makes of them: {@code -zero * sum}. */
    float[] shifts = new float[0];

    /** Takes one row of activations, [in], at {@code at}. */
    void load(Plane plane, float zero, int segmentSize, int in, float[] x, int at) {
        if (values.length < in) {
            values = new float[in];
        }
        switch (plane) {
            case ONE -> {
                for (int i = 0; i < in; i += 4) {
                    values[i] = x[at + i];
                    values[i + 1] = x[at + i + 1] * 0x1p-1f;
                    values[i + 2] = x[at + i + 2] * 0x1p-2f;
                    values[i + 3] = x[at + i + 3] * 0x1p-3f;
                }
            }
            case TWO -> {
                for (int i = 0; i < in; i += 2) {
                    values[i] = x[at + i];
                    values[i + 1] = x[at + i + 1] * 0x1p-2f;
                }
            }
            case FOUR, EIGHT -> System.arraycopy(x, at, values, 0, in);
        }
        sums = sums(sums, segmentSize, in, x, at);
        if (shifts.length < sums.length) {
            shifts = new float[sums.length];
        }
        for (int s = 0; s < sums.length; s++) {
            shifts[s] = -zero * sums[s];
        }
    }

    /** The sums of each segment, in the given array where it is long enough. */
    static float[] sums(float[] old, int segmentSize, int in, float[] x, int at) {
        int segments = in / segmentSize;
        float[] to = old.length < segments ? new float[segments] : old;
        Arrays.fill(to, 0);
        for (int s = 0; s < segments; s++) {
            float even = 0;
            float odd = 0;
            for (int i = at + s * segmentSize; i < at + (s + 1) * segmentSize; i += 2) {
                even += x[i];
                odd += x[i + 1];
            }
            to[s] = even + odd;
        }
        return to;
    }
}
