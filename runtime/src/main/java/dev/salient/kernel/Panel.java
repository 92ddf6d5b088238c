package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;

import java.util.Arrays;

/** A few rows of a weight, unpacked once and multiplied with many tokens; one member's own buffers. */
final class Panel {
    /** Rows of the weight in a panel. */
    static final int ROWS = MicroKernel.WIDTH;

    private final DenseRows dense = new DenseRows();
    private final StripStage stage = new StripStage();
    private final MicroKernel kernel = new MicroKernel();
    /** [in, ROWS]. */
    private float[] values = new float[0];
    /** [4, ROWS], for a panel at the weight's end. */
    private final float[] edge = new float[MicroKernel.ROWS * ROWS];

    /**
     * Multiplies some rows of a weight with all tokens.
     *
     * @param first a multiple of {@link #ROWS}
     */
    void multiply(Prepared weight, int first, Tokens tokens) {
        int in = weight.in();
        int count = Math.min(ROWS, weight.out() - first);
        if (values.length < in * ROWS) {
            values = new float[in * ROWS];
        }
        unpack(weight, first, count);
        kernel.depth = in;
        kernel.a = tokens.x();
        kernel.aStride = in;
        kernel.b = values;
        kernel.bAt = 0;
        int last = tokens.count() - MicroKernel.ROWS;
        for (int t = 0; t < tokens.count(); t += MicroKernel.ROWS) {
            int token = Math.min(t, last); // the last block overlaps its neighbour and writes the same numbers again
            kernel.aAt = token * in;
            int to = token * weight.out() + first;
            if (count == ROWS) {
                kernel.c = tokens.y();
                kernel.cAt = to;
                kernel.cStride = weight.out();
                kernel.run();
            } else {
                kernel.c = edge;
                kernel.cAt = 0;
                kernel.cStride = ROWS;
                kernel.run();
                for (int r = 0; r < MicroKernel.ROWS; r++) {
                    System.arraycopy(edge, r * ROWS, tokens.y(), to + r * weight.out(), count);
                }
            }
        }
    }

    private void unpack(Prepared weight, int first, int count) {
        Strips strips = weight.strips();
        if (strips == null) {
            dense.load(weight, first, count);
            transpose(weight.in(), count);
            return;
        }
        if (strips.plane(0) == Plane.ONE) {
            Arrays.fill(values, 0, weight.in() * ROWS, 0); // to which the plane of one bit is added
        }
        for (int p = 0; p < strips.planeCount(); p++) {
            stage.move(strips, first / Strips.ROWS, p);
            for (int column = 0; column < ROWS; column += COUNT) {
                StripUnpacker.unpack(strips.plane(p), stage, first % Strips.ROWS + column, values, column);
            }
        }
    }

    private void transpose(int in, int count) {
        float[] from = dense.values();
        for (int i = 0; i < in; i++) {
            for (int r = 0; r < count; r++) {
                values[i * ROWS + r] = from[r * in + i];
            }
        }
    }

    /**
     * What a panel is multiplied with.
     *
     * @param count at least {@link MicroKernel#ROWS}
     * @param x [count, in]
     * @param y [count, out], overwritten
     */
    @SuppressWarnings("ArrayRecordComponent")
    record Tokens(int count, float[] x, float[] y) {}
}
