package dev.salient.kernel;

import java.util.Arrays;

/** One token's activations as the fused kernels read them: in plane order, and summed over each chunk. */
final class Input {
    /** [in rounded up], in plane order, each times its plane's scale; ends in zeros. */
    float[] values = new float[0];
    /** [chunks rounded up], sums of the plain activations; ends in zeros. */
    float[] sums = new float[0];

    /** Takes one row of activations, [in], at {@code at}. */
    void load(CodeLayout layout, int in, float[] x, int at) {
        int width = Lanes.roundUp(in);
        if (values.length < width) {
            values = new float[width];
        }
        Arrays.fill(values, in, width, 0);
        if (layout == CodeLayout.VALUES) {
            System.arraycopy(x, at, values, 0, in);
            return;
        }
        int chunk = layout.chunk();
        int chunks = in / chunk;
        int sumWidth = Lanes.roundUp(chunks);
        if (sums.length < sumWidth) {
            sums = new float[sumWidth];
        }
        Arrays.fill(sums, chunks, sumWidth, 0);
        for (int c = 0; c < chunks; c++) {
            sums[c] = sum(x, at + c * chunk, chunk);
        }
        order(layout, in, x, at);
    }

    private static float sum(float[] x, int at, int count) {
        float even = 0;
        float odd = 0;
        for (int i = at; i < at + count; i += 2) {
            even += x[i];
            odd += x[i + 1];
        }
        return even + odd;
    }

    private void order(CodeLayout layout, int in, float[] x, int at) {
        switch (layout) {
            case TWO_BITS -> {
                for (int c = 0; c < in; c += 64) {
                    for (int b = 0; b < 16; b++) {
                        values[c + b] = x[at + c + 4 * b];
                        values[c + 16 + b] = x[at + c + 4 * b + 1] * 0x1p-2f;
                        values[c + 32 + b] = x[at + c + 4 * b + 2] * 0x1p-4f;
                        values[c + 48 + b] = x[at + c + 4 * b + 3] * 0x1p-6f;
                    }
                }
            }
            case NIBBLE_PAIRS -> {
                for (int c = 0; c < in; c += 32) {
                    for (int b = 0; b < 16; b++) {
                        values[c + b] = x[at + c + 2 * b];
                        values[c + 16 + b] = x[at + c + 2 * b + 1] * 0x1p-4f;
                    }
                }
            }
            case NIBBLE_HALVES, FIVE_BITS -> {
                for (int c = 0; c < in; c += 32) {
                    for (int b = 0; b < 16; b++) {
                        values[c + b] = x[at + c + b];
                        values[c + 16 + b] = x[at + c + 16 + b] * 0x1p-4f;
                    }
                }
            }
            case THREE_BITS, UNSIGNED_BYTES, SIGNED_BYTES, VALUES -> System.arraycopy(x, at, values, 0, in);
        }
    }
}
