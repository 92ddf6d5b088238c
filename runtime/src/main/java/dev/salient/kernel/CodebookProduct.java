package dev.salient.kernel;

import static java.lang.invoke.MethodHandles.lookup;
import static java.lang.invoke.MethodType.methodType;

import java.lang.invoke.MethodHandle;
import java.util.Arrays;

/** Rows of a weight of codebooks times one token whose products lie in tables; one member's own buffers. */
final class CodebookProduct {
    /** Tables that are used for all rows before the next ones: 64 KB of them. */
    private static final int TABLES = 64;

    /**
     * {@code kernel(codes, at, stride, rows, products, from, to, sums)} adds the products of a row's codes {@code from} to {@code to - 1} to
     * its sums, for some rows. In registers of one number: gathering a vector of
     * them is faster where C2 makes it one instruction, which it does not always.
     */
    private static final MethodHandle[] KERNEL = Apart.method(
            lookup(),
            "lookUp",
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

    /** [rows]. */
    private float[] sums = new float[0];

    /**
     * Writes the products of rows {@code first} to {@code first + rows - 1} to {@code y[to]} and following.
     *
     * @param products of {@link CodebookTables}
     */
    void multiply(Codebooks weight, int first, int rows, float[] products, float[] y, int to) {
        if (sums.length < rows) {
            sums = new float[rows];
        }
        Arrays.fill(sums, 0, rows, 0);
        int stride = weight.rowCodes();
        int at = first * stride;
        byte[] codes = weight.byteCodes();
        try {
            for (int from = 0; from < stride; from += TABLES) {
                KERNEL[0].invokeExact(codes, at, stride, rows, products, from, Math.min(stride, from + TABLES), sums);
            }
        } catch (Throwable e) {
            throw Apart.thrown(e);
        }
        for (int row = 0; row < rows; row++) {
            y[to + row] = weight.scale(first + row) * sums[row];
        }
    }

    static void lookUp(byte[] codes, int at, int stride, int rows, float[] products, int from, int to, float[] sums) {
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
            sums[row] += (sum0 + sum1) + (sum2 + sum3);
        }
    }
}
