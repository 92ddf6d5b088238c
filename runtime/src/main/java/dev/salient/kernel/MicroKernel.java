package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;

/**
 * The innermost product: six rows of a times a panel of b, held in twelve vector registers.
 *
 * <p>{@code c[r, n] = sum_k a[r, k] * b[k, n]} for six r and {@link #WIDTH} n. Fields are the arguments.
 */
final class MicroKernel {
    /** Rows of a and c. */
    static final int ROWS = 6;

    /** Columns of b and c. */
    static final int WIDTH = 2 * COUNT;

    /** Columns of a, rows of b. */
    int depth;
    /** [6, depth], rows {@code aStride} apart, from {@code aAt}. */
    float[] a = new float[0];

    int aAt;
    int aStride;
    /** [depth, WIDTH], tight, from {@code bAt}. */
    float[] b = new float[0];

    int bAt;
    /** [6, WIDTH], rows {@code cStride} apart, from {@code cAt}; overwritten. */
    float[] c = new float[0];

    int cAt;
    int cStride;

    private static FloatVector broadcast(float value) {
        return FloatVector.broadcast(FLOATS, value);
    }

    void run() {
        float[] x = a;
        float[] w = b;
        int x0 = aAt;
        int x1 = x0 + aStride;
        int x2 = x1 + aStride;
        int x3 = x2 + aStride;
        int x4 = x3 + aStride;
        int x5 = x4 + aStride;
        int from = bAt;
        FloatVector s00 = FloatVector.zero(FLOATS), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
        FloatVector s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
        for (int k = 0; k < depth; k++) {
            FloatVector w0 = FloatVector.fromArray(FLOATS, w, from + k * WIDTH);
            FloatVector w1 = FloatVector.fromArray(FLOATS, w, from + k * WIDTH + COUNT);
            FloatVector v = broadcast(x[x0 + k]);
            s00 = v.fma(w0, s00);
            s01 = v.fma(w1, s01);
            v = broadcast(x[x1 + k]);
            s10 = v.fma(w0, s10);
            s11 = v.fma(w1, s11);
            v = broadcast(x[x2 + k]);
            s20 = v.fma(w0, s20);
            s21 = v.fma(w1, s21);
            v = broadcast(x[x3 + k]);
            s30 = v.fma(w0, s30);
            s31 = v.fma(w1, s31);
            v = broadcast(x[x4 + k]);
            s40 = v.fma(w0, s40);
            s41 = v.fma(w1, s41);
            v = broadcast(x[x5 + k]);
            s50 = v.fma(w0, s50);
            s51 = v.fma(w1, s51);
        }
        store(0, s00, s01);
        store(1, s10, s11);
        store(2, s20, s21);
        store(3, s30, s31);
        store(4, s40, s41);
        store(5, s50, s51);
    }

    private void store(int row, FloatVector left, FloatVector right) {
        left.intoArray(c, cAt + row * cStride);
        right.intoArray(c, cAt + row * cStride + COUNT);
    }
}
