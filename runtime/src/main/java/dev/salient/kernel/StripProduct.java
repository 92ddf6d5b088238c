package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;
import static dev.salient.kernel.Lanes.floats;
import static dev.salient.kernel.Lanes.signed;
import static dev.salient.kernel.Lanes.unsigned;
import static java.lang.invoke.MethodHandles.lookup;
import static java.lang.invoke.MethodType.methodType;

import java.lang.invoke.MethodHandle;
import java.util.EnumMap;
import java.util.Objects;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * The rows of a strip times one token, in fp32: lanes are rows.
 *
 * <p>A row's product is {@code sum_s scale_s * (sum_j code_j x_j + shift_s) + sum_s offset_s * (sum_j x_j)}: zero points and
 * minima meet only the segment's sum of activations, outside the inner loop.
 */
final class StripProduct {
    /**
     * Rows of a half of the strip that one pass takes: two vectors of them where there are two. Loops as large as that are
     * not unrolled, which is as well: C2 loads all operands of an unrolled step before it multiplies, and spills the sums.
     */
    private static final int PASS = Math.min(16, 2 * COUNT);
    /**
     * Whether a pass has two vectors of rows. Where one vector has all rows, even columns are summed apart from odd ones: with one
     * sum a step would wait for the one before it, which took twice the time.
     */
    private static final boolean TWO_ROWS = PASS > COUNT;

    /** {@code kernel(codes, at, x, xAt, positions, parts)} writes the 32 rows' {@code sum_j code_j x_j} of a segment. */
    private static final EnumMap<Plane, MethodHandle> KERNELS = Apart.methods(
            lookup(),
            methodType(void.class, byte[].class, int.class, float[].class, int.class, int.class, float[].class));

    private static final MethodHandle[] FLUSH = Apart.method(
            lookup(),
            "flush",
            methodType(void.class, StripStage.class, float[].class, float.class, float.class, int.class));

    /** [32]. */
    private final float[] parts = new float[Strips.ROWS];

    /** Adds the plane's part of all rows' products to {@code stage.sums}. */
    void add(Plane plane, StripStage stage, StripInput x) {
        MethodHandle kernel = Objects.requireNonNull(KERNELS.get(plane));
        MethodHandle flush = FLUSH[0];
        int codes = stage.positions * plane.positionBytes();
        int columns = stage.positions * plane.columns();
        try {
            for (int s = 0; s < stage.segments; s++) {
                kernel.invokeExact(stage.codes, stage.at + s * codes, x.values, s * columns, stage.positions, parts);
                flush.invokeExact(stage, parts, x.sums.shifts[s], x.sums.plain[s], s);
            }
        } catch (Throwable e) {
            throw Apart.thrown(e);
        }
    }

    static void flush(StripStage stage, float[] parts, float shift, float sum, int segment) {
        float[] sums = stage.sums;
        for (int row = 0; row < Strips.ROWS; row += COUNT) {
            int place = Strips.ROWS * segment + row;
            FloatVector total = load(parts, row).add(shift).fma(stage.scale(place), load(sums, row));
            if (stage.hasOffsets) {
                total = stage.offset(place).fma(broadcast(sum), total);
            }
            total.intoArray(sums, row);
        }
    }

    private static FloatVector load(float[] x, int at) {
        return FloatVector.fromArray(FLOATS, x, at);
    }

    private static FloatVector broadcast(float value) {
        return FloatVector.broadcast(FLOATS, value);
    }

    static void oneBit(byte[] codes, int at, float[] x, int xAt, int positions, float[] parts) {
        for (int row = 0; row < 16; row += COUNT) { // two vectors of rows at once are too much for C2: it boxes them
            FloatVector low0 = FloatVector.zero(FLOATS), high0 = low0, low1 = low0, high1 = low0;
            for (int p = 0; p < positions; p++) {
                IntVector four = unsigned(codes, at + 16 * p + row);
                FloatVector v = broadcast(x[xAt + 4 * p]);
                low0 = floats(four.and(0x01)).fma(v, low0);
                high0 = floats(four.and(0x10)).fma(v, high0);
                v = broadcast(x[xAt + 4 * p + 1]);
                low1 = floats(four.and(0x02)).fma(v, low1);
                high1 = floats(four.and(0x20)).fma(v, high1);
                v = broadcast(x[xAt + 4 * p + 2]);
                low0 = floats(four.and(0x04)).fma(v, low0);
                high0 = floats(four.and(0x40)).fma(v, high0);
                v = broadcast(x[xAt + 4 * p + 3]);
                low1 = floats(four.and(0x08)).fma(v, low1);
                high1 = floats(four.and(0x80)).fma(v, high1);
            }
            low0.add(low1).intoArray(parts, row);
            high0.add(high1).mul(0x1p-4f).intoArray(parts, 16 + row);
        }
    }

    static void twoBits(byte[] codes, int at, float[] x, int xAt, int positions, float[] parts) {
        for (int row = 0; row < 16; row += PASS) {
            FloatVector low0 = FloatVector.zero(FLOATS), high0 = low0, low1 = low0, high1 = low0;
            for (int p = 0; p < positions; p++) {
                int from = at + 16 * p + row;
                IntVector first = unsigned(codes, from);
                FloatVector v = broadcast(x[xAt + 2 * p]);
                FloatVector w = broadcast(x[xAt + 2 * p + 1]);
                low0 = floats(first.and(0x03)).fma(v, low0);
                high0 = floats(first.and(0x30)).fma(v, high0);
                if (TWO_ROWS) {
                    IntVector second = unsigned(codes, from + COUNT);
                    low1 = floats(second.and(0x03)).fma(v, low1);
                    high1 = floats(second.and(0x30)).fma(v, high1);
                    low0 = floats(first.and(0x0C)).fma(w, low0);
                    high0 = floats(first.and(0xC0)).fma(w, high0);
                    low1 = floats(second.and(0x0C)).fma(w, low1);
                    high1 = floats(second.and(0xC0)).fma(w, high1);
                } else {
                    low1 = floats(first.and(0x0C)).fma(w, low1);
                    high1 = floats(first.and(0xC0)).fma(w, high1);
                }
            }
            write(low0, low1, parts, row);
            write(high0.mul(0x1p-4f), high1.mul(0x1p-4f), parts, 16 + row);
        }
    }

    static void fourBits(byte[] codes, int at, float[] x, int xAt, int positions, float[] parts) {
        for (int row = 0; row < 16; row += PASS) {
            FloatVector low0 = FloatVector.zero(FLOATS), high0 = low0, low1 = low0, high1 = low0;
            for (int p = 0; p < positions; p += 2) {
                int from = at + 16 * p + row;
                FloatVector v = broadcast(x[xAt + p]);
                FloatVector w = broadcast(x[xAt + p + 1]);
                IntVector first = unsigned(codes, from);
                IntVector next = unsigned(codes, from + 16);
                low0 = floats(first.and(0x0F)).fma(v, low0);
                high0 = floats(first.and(0xF0)).fma(v, high0);
                if (TWO_ROWS) {
                    IntVector second = unsigned(codes, from + COUNT);
                    low1 = floats(second.and(0x0F)).fma(v, low1);
                    high1 = floats(second.and(0xF0)).fma(v, high1);
                    low0 = floats(next.and(0x0F)).fma(w, low0);
                    high0 = floats(next.and(0xF0)).fma(w, high0);
                    second = unsigned(codes, from + 16 + COUNT);
                    low1 = floats(second.and(0x0F)).fma(w, low1);
                    high1 = floats(second.and(0xF0)).fma(w, high1);
                } else {
                    low1 = floats(next.and(0x0F)).fma(w, low1);
                    high1 = floats(next.and(0xF0)).fma(w, high1);
                }
            }
            write(low0, low1, parts, row);
            write(high0.mul(0x1p-4f), high1.mul(0x1p-4f), parts, 16 + row);
        }
    }

    static void eightBits(byte[] codes, int at, float[] x, int xAt, int positions, float[] parts) {
        for (int row = 0; row < 16; row += PASS) {
            FloatVector low0 = FloatVector.zero(FLOATS), high0 = low0, low1 = low0, high1 = low0;
            for (int p = 0; p < positions; p += 2) {
                int from = at + 32 * p + row;
                FloatVector v = broadcast(x[xAt + p]);
                FloatVector w = broadcast(x[xAt + p + 1]);
                low0 = floats(signed(codes, from)).fma(v, low0);
                high0 = floats(signed(codes, from + 16)).fma(v, high0);
                if (TWO_ROWS) {
                    low1 = floats(signed(codes, from + COUNT)).fma(v, low1);
                    high1 = floats(signed(codes, from + 16 + COUNT)).fma(v, high1);
                    low0 = floats(signed(codes, from + 32)).fma(w, low0);
                    high0 = floats(signed(codes, from + 48)).fma(w, high0);
                    low1 = floats(signed(codes, from + 32 + COUNT)).fma(w, low1);
                    high1 = floats(signed(codes, from + 48 + COUNT)).fma(w, high1);
                } else {
                    low1 = floats(signed(codes, from + 32)).fma(w, low1);
                    high1 = floats(signed(codes, from + 48)).fma(w, high1);
                }
            }
            write(low0, low1, parts, row);
            write(high0, high1, parts, 16 + row);
        }
    }

    /** Two registers are sums of rows that follow each other, or of the same rows' even and odd columns. */
    private static void write(FloatVector first, FloatVector second, float[] parts, int row) {
        if (TWO_ROWS) {
            first.intoArray(parts, row);
            second.intoArray(parts, row + COUNT);
        } else {
            first.add(second).intoArray(parts, row);
        }
    }
}
