package dev.salient.kernel;

import dev.salient.packed.PackedWeight;

/** A few rows of a weight, unpacked once and multiplied with many tokens; one member's own buffers. */
final class Panel {
    /** Rows of the weight in a panel. */
    static final int ROWS = MicroKernel.WIDTH;

    private final Tile tile = new Tile();
    private final MicroKernel kernel = new MicroKernel();
    /** [ROWS, in], in plane order. */
    private float[] rows = new float[0];
    /** [in, ROWS]. */
    private float[] values = new float[0];
    /** [4, ROWS], for a panel at the weight's end. */
    private final float[] edge = new float[MicroKernel.ROWS * ROWS];

    /**
     * Multiplies some rows of a weight with all tokens.
     *
     * @param first a multiple of {@link #ROWS}
     */
    void multiply(PackedWeight weight, int first, Tokens tokens) {
        int count = Math.min(ROWS, weight.out() - first);
        tile.load(weight, first, count);
        transpose(weight.in(), count);
        kernel.depth = weight.in();
        kernel.a = tokens.x();
        kernel.aStride = weight.in();
        kernel.b = values;
        kernel.bAt = 0;
        int last = tokens.count() - MicroKernel.ROWS;
        for (int t = 0; t < tokens.count(); t += MicroKernel.ROWS) {
            int token = Math.min(t, last); // the last block overlaps its neighbour and writes the same numbers again
            kernel.aAt = token * weight.in();
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

    private void transpose(int in, int count) {
        int width = Lanes.roundUp(in);
        if (rows.length < ROWS * width) {
            rows = new float[ROWS * width];
            values = new float[ROWS * width];
        }
        for (int r = 0; r < count; r++) {
            Unpacker.unpack(tile, r, rows, r * width);
        }
        for (int place = 0; place < in; place++) {
            transposeColumn(place, tile.layout.column(place), width);
        }
    }

    private void transposeColumn(int place, int column, int width) {
        int to = column * ROWS;
        for (int r = 0, from = place; r < ROWS; r++, from += width) {
            values[to + r] = rows[from];
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
