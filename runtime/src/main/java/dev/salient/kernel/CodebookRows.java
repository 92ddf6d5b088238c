package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;
import static dev.salient.kernel.Lanes.SHORTS;
import static java.lang.invoke.MethodHandles.lookup;
import static java.lang.invoke.MethodType.methodType;

import java.lang.invoke.MethodHandle;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;

/**
 * Rows of a weight of codebooks by gathering: a code brings one vector of a codebook, in pieces of at most 8 numbers. One member's own buffers.
 *
 * <p>A register of 16 floats takes two pieces, from two places. Registers of 8 would do there too, but then the JVM would have two classes of
 * vectors, and C2, which decides by the classes it has seen, boxed the micro-kernel in a quarter of all processes.
 */
final class CodebookRows {
    /** Numbers of a piece: no more than a group of 8 has. */
    static final int PIECE = Math.min(8, COUNT);

    /** Pieces of a register: 1 or 2. */
    private static final int PAIR = COUNT / PIECE;

    /** The lanes of the second piece. */
    private static final VectorMask<Float> SECOND = VectorMask.fromLong(FLOATS, -1L << PIECE);

    private static final VectorMask<Short> SECOND_SHORT = VectorMask.fromLong(SHORTS, -1L << PIECE);

    /** {@code kernel(codebook, places, pieces, scale, values, to)} adds the pieces of a row to its values. */
    private static final MethodHandle[] ADD_FLOATS = adder("addFloats", float[].class);

    private static final MethodHandle[] ADD_HALVES = adder("addHalves", short[].class);

    /** {@code kernel(codebook, places, pieces, x, xAt)} multiplies a row. */
    private static final MethodHandle[] MULTIPLY_FLOATS = multiplier("multiplyFloats", float[].class);

    private static final MethodHandle[] MULTIPLY_HALVES = multiplier("multiplyHalves", short[].class);

    /** Where a row's pieces lie in a codebook's array. */
    private int[] places = new int[0];

    private static MethodHandle[] adder(String name, Class<?> codebook) {
        return Apart.method(
                lookup(),
                name,
                methodType(void.class, codebook, int[].class, int.class, float.class, float[].class, int.class));
    }

    private static MethodHandle[] multiplier(String name, Class<?> codebook) {
        return Apart.method(
                lookup(), name, methodType(float.class, codebook, int[].class, int.class, float[].class, int.class));
    }

    private int[] places(Codebooks weight, int row, int m) {
        int pieces = weight.in() / PIECE;
        if (places.length < pieces) {
            places = new int[pieces];
        }
        weight.findPlaces(row, m, places);
        return places;
    }

    /** Pieces of a row that kernels take; a last one, where there is one, fills no register of two. */
    private static int wholePieces(Codebooks weight) {
        return weight.in() / PIECE / PAIR * PAIR;
    }

    /**
     * Writes the values of one row.
     *
     * @param values [in] from {@code to}; overwritten
     */
    void decode(Codebooks weight, int row, float[] values, int to) {
        Arrays.fill(values, to, to + weight.in(), 0);
        int whole = wholePieces(weight);
        float scale = weight.scale(row);
        try {
            for (int m = 0; m < weight.count(); m++) {
                int[] at = places(weight, row, m);
                if (weight.areHalves()) {
                    ADD_HALVES[0].invokeExact(weight.halves(m), at, whole, scale, values, to);
                } else {
                    ADD_FLOATS[0].invokeExact(weight.floats(m), at, whole, scale, values, to);
                }
                for (int i = whole * PIECE; i < weight.in(); i++) {
                    values[to + i] = Math.fma(weight.value(m, at[whole] + i % PIECE), scale, values[to + i]);
                }
            }
        } catch (Throwable e) {
            throw Apart.thrown(e);
        }
    }

    /**
     * The product of one row with one token.
     *
     * @param x [in] from {@code xAt}
     */
    float multiply(Codebooks weight, int row, float[] x, int xAt) {
        int whole = wholePieces(weight);
        float sum = 0;
        try {
            for (int m = 0; m < weight.count(); m++) {
                int[] at = places(weight, row, m);
                float own;
                if (weight.areHalves()) {
                    own = (float) MULTIPLY_HALVES[0].invokeExact(weight.halves(m), at, whole, x, xAt);
                } else {
                    own = (float) MULTIPLY_FLOATS[0].invokeExact(weight.floats(m), at, whole, x, xAt);
                }
                for (int i = whole * PIECE; i < weight.in(); i++) {
                    own += weight.value(m, at[whole] + i % PIECE) * x[xAt + i];
                }
                sum += own;
            }
        } catch (Throwable e) {
            throw Apart.thrown(e);
        }
        return weight.scale(row) * sum;
    }

    /** The pieces from {@code p} on that fill a register: {@link Codebooks#SLACK} numbers lie on both sides of a codebook. */
    private static FloatVector pieces(float[] codebook, int[] places, int p) {
        FloatVector first = FloatVector.fromArray(FLOATS, codebook, places[p]);
        return PAIR == 1 ? first : first.blend(FloatVector.fromArray(FLOATS, codebook, places[p + 1] - PIECE), SECOND);
    }

    private static FloatVector pieces(short[] codebook, int[] places, int p) {
        ShortVector first = ShortVector.fromArray(SHORTS, codebook, places[p]);
        return Lanes.halves(
                PAIR == 1
                        ? first
                        : first.blend(ShortVector.fromArray(SHORTS, codebook, places[p + 1] - PIECE), SECOND_SHORT),
                1);
    }

    static void addFloats(float[] codebook, int[] places, int count, float scale, float[] values, int to) {
        FloatVector factor = FloatVector.broadcast(FLOATS, scale);
        for (int p = 0; p < count; p += PAIR) {
            int at = to + p * PIECE;
            pieces(codebook, places, p).fma(factor, load(values, at)).intoArray(values, at);
        }
    }

    static void addHalves(short[] codebook, int[] places, int count, float scale, float[] values, int to) {
        FloatVector factor = FloatVector.broadcast(FLOATS, scale);
        for (int p = 0; p < count; p += PAIR) {
            int at = to + p * PIECE;
            pieces(codebook, places, p).fma(factor, load(values, at)).intoArray(values, at);
        }
    }

    static float multiplyFloats(float[] codebook, int[] places, int count, float[] x, int xAt) {
        FloatVector sum0 = FloatVector.zero(FLOATS), sum1 = sum0, sum2 = sum0, sum3 = sum0;
        int p = 0;
        for (; p <= count - 4 * PAIR; p += 4 * PAIR) {
            int at = xAt + p * PIECE;
            sum0 = pieces(codebook, places, p).fma(load(x, at), sum0);
            sum1 = pieces(codebook, places, p + PAIR).fma(load(x, at + COUNT), sum1);
            sum2 = pieces(codebook, places, p + 2 * PAIR).fma(load(x, at + 2 * COUNT), sum2);
            sum3 = pieces(codebook, places, p + 3 * PAIR).fma(load(x, at + 3 * COUNT), sum3);
        }
        for (; p < count; p += PAIR) {
            sum0 = pieces(codebook, places, p).fma(load(x, xAt + p * PIECE), sum0);
        }
        return Lanes.sum(sum0.add(sum1).add(sum2.add(sum3)));
    }

    static float multiplyHalves(short[] codebook, int[] places, int count, float[] x, int xAt) {
        FloatVector sum0 = FloatVector.zero(FLOATS), sum1 = sum0;
        int p = 0;
        for (; p <= count - 2 * PAIR; p += 2 * PAIR) {
            int at = xAt + p * PIECE;
            sum0 = pieces(codebook, places, p).fma(load(x, at), sum0);
            sum1 = pieces(codebook, places, p + PAIR).fma(load(x, at + COUNT), sum1);
        }
        for (; p < count; p += PAIR) {
            sum0 = pieces(codebook, places, p).fma(load(x, xAt + p * PIECE), sum0);
        }
        return Lanes.sum(sum0.add(sum1));
    }

    private static FloatVector load(float[] x, int at) {
        return FloatVector.fromArray(FLOATS, x, at);
    }
}
