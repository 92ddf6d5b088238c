package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;
import static java.lang.invoke.MethodHandles.lookup;
import static java.lang.invoke.MethodType.methodType;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.S2I;

import java.lang.invoke.MethodHandle;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;

/**
 * Rows of a weight of codebooks by gathering: a code brings one vector of a codebook, which lies in one or more registers. One member's own
 * buffers.
 *
 * <p>Registers of 16 floats are used by half: with shorter ones the JVM would have two classes of vectors, and C2, which decides by the classes it
 * has seen, boxed the micro-kernel in half of all processes.
 */
final class CodebookRows {
    /** Numbers taken at once: no more than a group of 8 has. */
    private static final int LENGTH = Math.min(8, COUNT);

    /** The lanes that count. */
    private static final VectorMask<Float> TAKEN = VectorMask.fromLong(FLOATS, (1 << LENGTH) - 1);

    /** {@code kernel(codebook, places, groups, groupSize, scale, values, to)} adds a vector to each group of a row. */
    private static final MethodHandle[] ADD_FLOATS = adder("addFloats", float[].class);

    private static final MethodHandle[] ADD_HALVES = adder("addHalves", short[].class);

    /** {@code kernel(codebook, places, groups, groupSize, x, xAt, parts)} multiplies a row and writes parts of the sum. */
    private static final MethodHandle[] MULTIPLY_FLOATS = multiplier("multiplyFloats", float[].class);

    private static final MethodHandle[] MULTIPLY_HALVES = multiplier("multiplyHalves", short[].class);

    /** [groups], where a row's vectors begin. */
    private int[] places = new int[0];

    private final float[] parts = new float[COUNT];

    private static MethodHandle[] adder(String name, Class<?> codebook) {
        return Apart.method(
                lookup(),
                name,
                methodType(
                        void.class,
                        codebook,
                        int[].class,
                        int.class,
                        int.class,
                        float.class,
                        float[].class,
                        int.class));
    }

    private static MethodHandle[] multiplier(String name, Class<?> codebook) {
        return Apart.method(
                lookup(),
                name,
                methodType(
                        void.class,
                        codebook,
                        int[].class,
                        int.class,
                        int.class,
                        float[].class,
                        int.class,
                        float[].class));
    }

    private int[] places(Codebooks weight, int row, int m) {
        if (places.length < weight.groups()) {
            places = new int[weight.groups()];
        }
        weight.findPlaces(row, m, places);
        return places;
    }

    /**
     * Writes the values of one row.
     *
     * @param values [in] from {@code to}; overwritten
     */
    void decode(Codebooks weight, int row, float[] values, int to) {
        Arrays.fill(values, to, to + weight.in(), 0);
        int groups = weight.groups();
        int size = weight.groupSize();
        float scale = weight.scale(row);
        try {
            for (int m = 0; m < weight.count(); m++) {
                int[] at = places(weight, row, m);
                if (weight.areHalves()) {
                    ADD_HALVES[0].invokeExact(weight.halves(m), at, groups, size, scale, values, to);
                } else {
                    ADD_FLOATS[0].invokeExact(weight.floats(m), at, groups, size, scale, values, to);
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
        int groups = weight.groups();
        int size = weight.groupSize();
        float sum = 0;
        try {
            for (int m = 0; m < weight.count(); m++) {
                int[] at = places(weight, row, m);
                if (weight.areHalves()) {
                    MULTIPLY_HALVES[0].invokeExact(weight.halves(m), at, groups, size, x, xAt, parts);
                } else {
                    MULTIPLY_FLOATS[0].invokeExact(weight.floats(m), at, groups, size, x, xAt, parts);
                }
                for (int i = 0; i < LENGTH; i++) {
                    sum += parts[i];
                }
            }
        } catch (Throwable e) {
            throw Apart.thrown(e);
        }
        return weight.scale(row) * sum;
    }

    private static FloatVector load(float[] x, int at) {
        return LENGTH == COUNT ? FloatVector.fromArray(FLOATS, x, at) : FloatVector.fromArray(FLOATS, x, at, TAKEN);
    }

    private static void store(FloatVector values, float[] x, int at) {
        if (LENGTH == COUNT) {
            values.intoArray(x, at);
        } else {
            values.intoArray(x, at, TAKEN);
        }
    }

    /** A vector of a codebook; in lanes that do not count anything. */
    private static FloatVector vector(float[] codebook, int at) {
        return FloatVector.fromArray(FLOATS, codebook, at);
    }

    /** Numbers of fp16 times 2^-112; see {@link Lanes#halves}. */
    private static FloatVector vector(short[] codebook, int at) {
        IntVector bits =
                (IntVector) ShortVector.fromArray(Lanes.SHORTS, codebook, at).convertShape(S2I, Lanes.INTS, 0);
        return bits.lanewise(LSHL, 13).and(0x8FFF_FFFF).reinterpretAsFloats();
    }

    static void addFloats(
            float[] codebook, int[] places, int groups, int groupSize, float scale, float[] values, int to) {
        FloatVector factor = FloatVector.broadcast(FLOATS, scale);
        for (int k = 0; k < groupSize; k += LENGTH) {
            for (int g = 0; g < groups; g++) {
                int at = to + g * groupSize + k;
                store(vector(codebook, places[g] + k).fma(factor, load(values, at)), values, at);
            }
        }
    }

    static void addHalves(
            short[] codebook, int[] places, int groups, int groupSize, float scale, float[] values, int to) {
        FloatVector unit = FloatVector.broadcast(FLOATS, 0x1p112f);
        for (int k = 0; k < groupSize; k += LENGTH) {
            for (int g = 0; g < groups; g++) {
                int at = to + g * groupSize + k;
                store(vector(codebook, places[g] + k).mul(unit).mul(scale).add(load(values, at)), values, at);
            }
        }
    }

    static void multiplyFloats(
            float[] codebook, int[] places, int groups, int groupSize, float[] x, int xAt, float[] parts) {
        FloatVector sum0 = FloatVector.zero(FLOATS), sum1 = sum0, sum2 = sum0, sum3 = sum0;
        for (int k = 0; k < groupSize; k += LENGTH) {
            int g = 0;
            for (; g < groups - 3; g += 4) {
                int at = xAt + g * groupSize + k;
                sum0 = vector(codebook, places[g] + k).fma(load(x, at), sum0);
                sum1 = vector(codebook, places[g + 1] + k).fma(load(x, at + groupSize), sum1);
                sum2 = vector(codebook, places[g + 2] + k).fma(load(x, at + 2 * groupSize), sum2);
                sum3 = vector(codebook, places[g + 3] + k).fma(load(x, at + 3 * groupSize), sum3);
            }
            for (; g < groups; g++) {
                sum0 = vector(codebook, places[g] + k).fma(load(x, xAt + g * groupSize + k), sum0);
            }
        }
        sum0.add(sum1).add(sum2.add(sum3)).intoArray(parts, 0);
    }

    static void multiplyHalves(
            short[] codebook, int[] places, int groups, int groupSize, float[] x, int xAt, float[] parts) {
        FloatVector unit = FloatVector.broadcast(FLOATS, 0x1p112f);
        FloatVector sum0 = FloatVector.zero(FLOATS), sum1 = sum0;
        for (int k = 0; k < groupSize; k += LENGTH) {
            int g = 0;
            for (; g < groups - 1; g += 2) {
                int at = xAt + g * groupSize + k;
                sum0 = vector(codebook, places[g] + k).mul(unit).fma(load(x, at), sum0);
                sum1 = vector(codebook, places[g + 1] + k).mul(unit).fma(load(x, at + groupSize), sum1);
            }
            for (; g < groups; g++) {
                sum0 = vector(codebook, places[g] + k).mul(unit).fma(load(x, xAt + g * groupSize + k), sum0);
            }
        }
        sum0.add(sum1).intoArray(parts, 0);
    }
}
