package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;

/**
 * The innermost product: four rows of a times a panel of b, held in eight vector registers.
 *
 * <p>The compiler loads all operands of a step before it multiplies: eight sums, two vectors of b and four numbers of a fit
 * into the 16 registers of AVX2. Six rows need 20, and sums that go through memory halve the speed.
 *
 * <p>{@code c[r, n] = sum_k a[r, k] * b[k, n]} for four r and {@link #WIDTH} n. Fields are the arguments.
 */
final class MicroKernel {
    /** Rows of a and c. */
    static final int ROWS = 4;

    /** Columns of b and c. */
    static final int WIDTH = 2 * COUNT;

    /** Columns of a, rows of b. */
    int depth;
    /** [4, depth], rows {@code aStride} apart, from {@code aAt}. */
    float[] a = new float[0];

    int aAt;
    int aStride;
    /** [depth, WIDTH], tight, from {@code bAt}. */
    float[] b = new float[0];

    int bAt;
    /** [4, WIDTH], rows {@code cStride} apart, from {@code cAt}; overwritten. */
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
        int from = bAt;
        FloatVector s00 = FloatVector.zero(FLOATS), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
        FloatVector s30 = s00, s31 = s00;
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
        }
        // written out: a method of more than 325 bytes is never inlined, so C2 compiles this one on its own (see Apart)
        float[] y = c;
        int y0 = cAt;
        int y1 = y0 + cStride;
        int y2 = y1 + cStride;
        int y3 = y2 + cStride;
        s00.intoArray(y, y0);
        s01.intoArray(y, y0 + COUNT);
        s10.intoArray(y, y1);
        s11.intoArray(y, y1 + COUNT);
        s20.intoArray(y, y2);
        s21.intoArray(y, y2 + COUNT);
        s30.intoArray(y, y3);
        s31.intoArray(y, y3 + COUNT);
    }
}
