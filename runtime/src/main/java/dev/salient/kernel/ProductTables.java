package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;
import static jdk.incubator.vector.VectorOperators.I2B;
import static jdk.incubator.vector.VectorOperators.MAX;

import java.util.EnumMap;
import java.util.List;
import java.util.Objects;
import jdk.incubator.vector.FloatVector;

/**
 * One token's activations as tables: for each position the products of all 16 values of a nibble, in 8 bits.
 *
 * <p>An entry is {@code sum_j (code_j - center) * x_j / scale}, rounded; a segment of 64 columns and more has a scale for each half of
 * it, a shorter one has one, by which the largest entry there is 127. So each entry is off by at most half a scale (and by fp32's roundings), which bounds the error of a product.
 */
final class ProductTables {
    /** Adding it leaves a number's nearest integer in the lowest bits. */
    private static final float ROUND = 0x1.8p23f;

    private static final int SLACK = 8;

    /** The shortest segment with two scales: half as many columns leave two fifths less divergence. */
    private static final int LONG = 64;

    /** [positions, 16]. */
    byte[] entries = new byte[0];
    /** Whether a segment has two scales. */
    boolean inHalves;
    /** [segments] or [segments, 2], what an entry counts. */
    float[] scales = new float[0];
    /** Sums of the activations; shifts are {@code (center - zero) * sum}, which products counted from the center lack. */
    final SegmentSums sums = new SegmentSums();

    private float[] exact = new float[0];

    /** [columns, 16] of each plane: the values of a nibble's codes, from the center. */
    private static final EnumMap<Plane, float[][]> LEVELS = new EnumMap<>(Plane.class);

    static {
        for (Plane plane : List.of(Plane.ONE, Plane.TWO, Plane.FOUR)) {
            float[][] levels = new float[plane.columns()][16];
            for (int j = 0; j < plane.columns(); j++) {
                for (int nibble = 0; nibble < 16; nibble++) {
                    int code = (nibble >> (plane.bits() * j)) & ((1 << plane.bits()) - 1);
                    levels[j][nibble] = code - plane.center();
                }
            }
            LEVELS.put(plane, levels);
        }
    }

    /** Takes one row of activations, [in], at {@code at}. */
    void load(Plane plane, float zero, int segmentSize, int in, float[] x, int at) {
        inHalves = segmentSize >= LONG && segmentSize % (2 * plane.columns()) == 0;
        int size = inHalves ? segmentSize / 2 : segmentSize;
        int count = in / size;
        int positions = size / plane.columns();
        if (entries.length < count * positions * 16 + SLACK) {
            entries = new byte[count * positions * 16 + SLACK];
        }
        if (scales.length < count) {
            scales = new float[count];
        }
        if (exact.length < positions * 16) {
            exact = new float[positions * 16];
        }
        sums.load(segmentSize, in, x, at, plane.center() - zero);
        for (int part = 0; part < count; part++) {
            float largest = products(plane, positions, x, at + part * size);
            scales[part] = largest / 127;
            round(largest == 0 ? 0 : 127 / largest, positions * 16, part * positions * 16);
        }
    }

    /** Writes a part's products to {@link #exact} and returns the largest of them in size. */
    private float products(Plane plane, int positions, float[] x, int at) {
        float[][] levels = Objects.requireNonNull(LEVELS.get(plane));
        FloatVector largest = FloatVector.zero(FLOATS);
        int columns = plane.columns();
        for (int first = 0; first < 16; first += COUNT) {
            FloatVector level0 = FloatVector.fromArray(FLOATS, levels[0], first);
            FloatVector level1 = FloatVector.fromArray(FLOATS, levels[Math.min(1, columns - 1)], first);
            FloatVector level2 = FloatVector.fromArray(FLOATS, levels[Math.min(2, columns - 1)], first);
            FloatVector level3 = FloatVector.fromArray(FLOATS, levels[columns - 1], first);
            for (int p = 0; p < positions; p++) {
                int from = at + p * columns;
                FloatVector product = level0.mul(x[from]);
                if (columns > 1) {
                    product = level1.fma(FloatVector.broadcast(FLOATS, x[from + 1]), product);
                }
                if (columns > 2) {
                    product = level2.fma(FloatVector.broadcast(FLOATS, x[from + 2]), product);
                    product = level3.fma(FloatVector.broadcast(FLOATS, x[from + 3]), product);
                }
                largest = product.abs().max(largest);
                product.intoArray(exact, 16 * p + first);
            }
        }
        return largest.reduceLanes(MAX);
    }

    private void round(float factor, int count, int to) {
        for (int i = 0; i < count; i += COUNT) {
            FloatVector entry =
                    FloatVector.fromArray(FLOATS, exact, i).mul(factor).add(ROUND);
            // four lanes write eight bytes: the next ones, or the slack, come after them
            entry.reinterpretAsInts()
                    .convertShape(I2B, Lanes.BYTES, 0)
                    .reinterpretAsBytes()
                    .intoArray(entries, to + i);
        }
    }
}
