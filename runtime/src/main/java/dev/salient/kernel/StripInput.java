package dev.salient.kernel;

/** One token's activations as products with strips read them: for a plane. */
final class StripInput {
    /** [in], each times the inverse of what its code is multiplied by where it is masked. */
    float[] values = new float[0];
    /** Their sums; shifts are {@code -zero * sum}, for the zero that is subtracted from every code. */
    final SegmentSums sums = new SegmentSums();

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
        sums.load(segmentSize, in, x, at, -zero);
    }
}
