package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;
import static dev.salient.kernel.Lanes.INTS;
import static java.lang.invoke.MethodHandles.lookup;
import static java.lang.invoke.MethodType.methodType;

import java.lang.invoke.MethodHandle;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** Rows of a weight of codebooks times one token whose products lie in tables; one member's own buffers. */
final class CodebookProduct {
    /** Tables that are used for all rows before the next ones: 64 KB of them. */
    private static final int TABLES = 64;

    /**
     * {@code kernel(codes, at, stride, rows, products, from, to, sums)} adds the products of a row's codes {@code from} to {@code to - 1} to
     * its sums, for some rows. Four lanes gain nothing from gathering, for which some CPUs have no instruction.
     */
    private static final MethodHandle[] KERNEL = Apart.method(
            lookup(),
            COUNT == 4 ? "oneByOne" : "gathered",
            methodType(
                    void.class,
                    byte[].class,
                    int.class,
                    int.class,
                    int.class,
                    float[].class,
                    int.class,
                    int.class,
                    float[].class));

    private static final MethodHandle[] TOTAL =
            Apart.method(lookup(), "total", methodType(void.class, float[].class, int.class, float[].class));

    /** From the entries of one table to those of the next, for each lane. */
    private static final IntVector LANES = IntVector.zero(INTS).addIndex(CodebookTables.ENTRIES);

    /** [rows, COUNT]. */
    private float[] sums = new float[0];
    /** [rows]. */
    private float[] totals = new float[0];

    /**
     * Writes the products of rows {@code first} to {@code first + rows - 1} to {@code y[to]} and following.
     *
     * @param products of {@link CodebookTables}
     */
    void multiply(Codebooks weight, int first, int rows, float[] products, float[] y, int to) {
        if (sums.length < rows * COUNT) {
            sums = new float[rows * COUNT];
            totals = new float[rows];
        }
        Arrays.fill(sums, 0, rows * COUNT, 0);
        int stride = weight.rowCodes();
        int at = first * stride;
        byte[] codes = weight.byteCodes();
        try {
            for (int from = 0; from < stride; from += TABLES) {
                KERNEL[0].invokeExact(codes, at, stride, rows, products, from, Math.min(stride, from + TABLES), sums);
            }
            TOTAL[0].invokeExact(sums, rows, totals);
        } catch (Throwable e) {
            throw Apart.thrown(e);
        }
        for (int row = 0; row < rows; row++) {
            y[to + row] = weight.scale(first + row) * totals[row];
        }
    }

    static void total(float[] sums, int rows, float[] totals) {
        for (int row = 0; row < rows; row++) {
            totals[row] = Lanes.sum(FloatVector.fromArray(FLOATS, sums, row * COUNT));
        }
    }

    static void gathered(byte[] codes, int at, int stride, int rows, float[] products, int from, int to, float[] sums) {
        int[] places = new int[COUNT];
        int whole = from + FLOATS.loopBound(to - from);
        for (int row = 0; row < rows; row++) {
            FloatVector sum = FloatVector.fromArray(FLOATS, sums, row * COUNT);
            int first = at + row * stride;
            for (int k = from; k < whole; k += COUNT) {
                Lanes.unsigned(codes, first + k).add(LANES).intoArray(places, 0);
                sum = FloatVector.fromArray(FLOATS, products, k * CodebookTables.ENTRIES, places, 0)
                        .add(sum);
            }
            sum.intoArray(sums, row * COUNT);
            for (int k = whole; k < to; k++) {
                sums[row * COUNT] += products[k * CodebookTables.ENTRIES + (codes[first + k] & 0xFF)];
            }
        }
    }

    static void oneByOne(byte[] codes, int at, int stride, int rows, float[] products, int from, int to, float[] sums) {
        int whole = from + (to - from) / 4 * 4;
        for (int row = 0; row < rows; row++) {
            float sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
            int first = at + row * stride;
            for (int k = from; k < whole; k += 4) {
                int table = k * CodebookTables.ENTRIES;
                sum0 += products[table + (codes[first + k] & 0xFF)];
                sum1 += products[table + CodebookTables.ENTRIES + (codes[first + k + 1] & 0xFF)];
                sum2 += products[table + 2 * CodebookTables.ENTRIES + (codes[first + k + 2] & 0xFF)];
                sum3 += products[table + 3 * CodebookTables.ENTRIES + (codes[first + k + 3] & 0xFF)];
            }
            for (int k = whole; k < to; k++) {
                sum0 += products[k * CodebookTables.ENTRIES + (codes[first + k] & 0xFF)];
            }
            sums[row * COUNT] += (sum0 + sum1) + (sum2 + sum3);
        }
    }
}
