package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.salient.packed.Dense;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;

/**
 * A few rows of a weight as fp32, and their product with one token: for weights without codes, those of codebooks, and those whose
 * groups are too odd for {@link Strips}. One member's own buffers.
 */
final class DenseRows {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);

    /** Rows held. */
    private int rows;

    private int in;
    /** [rows, in]. */
    private float[] values = new float[0];

    private short[] halves = new short[0];
    private final CodebookRows codebookRows = new CodebookRows();

    /** [rows, in]. */
    float[] values() {
        return values;
    }

    /** Takes rows {@code first} to {@code first + count - 1}. */
    void load(Prepared weight, int first, int count) {
        Codebooks codebooks = weight.codebooks();
        if (codebooks == null) {
            load(weight.base(), first, count);
            return;
        }
        makeRoom(codebooks.in(), count);
        for (int row = 0; row < rows; row++) {
            codebookRows.decode(codebooks, first + row, values, row * in);
        }
    }

    private void makeRoom(int newIn, int newRows) {
        in = newIn;
        rows = newRows;
        if (values.length < rows * in) {
            values = new float[rows * in];
        }
    }

    /** Takes rows {@code first} to {@code first + count - 1} of a weight as it is stored. */
    void load(PackedWeight weight, int first, int count) {
        makeRoom(weight.in(), count);
        if (weight instanceof Dense dense) {
            copyValues(dense.values(), (long) first * in, rows * in); // at once: short loops are half prologue
            return;
        }
        for (int row = 0; row < rows; row++) {
            weight.decodeRow(first + row, values, row * in);
        }
    }

    private void copyValues(Tensor from, long first, int count) {
        switch (from.dtype()) {
            case F32 -> MemorySegment.copy(from.data(), FLOAT, first * Float.BYTES, values, 0, count);
            case F16 -> {
                copyHalves(from, first, count);
                widenHalves(halves, values, count);
            }
            case BF16 -> {
                copyHalves(from, first, count);
                widenBfloats(halves, values, count);
            }
        }
    }

    private static void widenHalves(short[] from, float[] to, int count) {
        for (int i = 0; i < count; i++) {
            to[i] = Float.float16ToFloat(from[i]);
        }
    }

    private static void widenBfloats(short[] from, float[] to, int count) {
        int whole = FLOATS.loopBound(count);
        for (int i = 0; i < whole; i += COUNT) {
            Lanes.bfloats(from, i).intoArray(to, i);
        }
        for (int i = whole; i < count; i++) {
            to[i] = Float.intBitsToFloat(from[i] << 16);
        }
    }

    private void copyHalves(Tensor from, long first, int count) {
        if (halves.length < count) {
            halves = new short[count];
        }
        MemorySegment.copy(from.data(), SHORT, first * Short.BYTES, halves, 0, count);
    }

    private static FloatVector load(float[] x, int at) {
        return FloatVector.fromArray(FLOATS, x, at);
    }

    /**
     * Writes the products of all rows to {@code y[to]} and following.
     *
     * @param x [in] from {@code xAt}
     */
    void multiply(float[] x, int xAt, float[] y, int to) {
        float[] w = values;
        int whole = FLOATS.loopBound(in);
        int quads = in - in % (4 * COUNT);
        for (int row = 0; row < rows; row++) {
            int at = row * in;
            FloatVector sum0 = FloatVector.zero(FLOATS);
            FloatVector sum1 = sum0;
            FloatVector sum2 = sum0;
            FloatVector sum3 = sum0;
            int i = 0;
            for (; i < quads; i += 4 * COUNT) {
                sum0 = load(w, at + i).fma(load(x, xAt + i), sum0);
                sum1 = load(w, at + i + COUNT).fma(load(x, xAt + i + COUNT), sum1);
                sum2 = load(w, at + i + 2 * COUNT).fma(load(x, xAt + i + 2 * COUNT), sum2);
                sum3 = load(w, at + i + 3 * COUNT).fma(load(x, xAt + i + 3 * COUNT), sum3);
            }
            for (; i < whole; i += COUNT) {
                sum0 = load(w, at + i).fma(load(x, xAt + i), sum0);
            }
            float sum = Lanes.sum(sum0.add(sum1).add(sum2.add(sum3)));
            for (; i < in; i++) {
                sum += w[at + i] * x[xAt + i];
            }
            y[to + row] = sum;
        }
    }
}
