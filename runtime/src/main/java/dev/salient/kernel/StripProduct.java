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
    private static final EnumMap<Plane, MethodHandle> KERNELS = Apart.methods(
            lookup(), methodType(void.class, StripStage.class, StripInput.class), plane -> switch (plane) {
                case ONE -> "oneBit";
                case TWO -> "twoBits";
                case FOUR -> "fourBits";
                case EIGHT -> "eightBits";
            });

    /** Codes of the upper rows stand four bits higher. */
    private static final FloatVector SIXTEENTH = FloatVector.broadcast(FLOATS, 0x1p-4f);

    private StripProduct() {}

    /** Adds the plane's part of all rows' products to {@code stage.sums}. */
    static void add(Plane plane, StripStage stage, StripInput x) {
        MethodHandle kernel = Objects.requireNonNull(KERNELS.get(plane));
        try {
            kernel.invokeExact(stage, x);
        } catch (Throwable e) {
            throw Apart.thrown(e);
        }
    }

    private static FloatVector load(float[] x, int at) {
        return FloatVector.fromArray(FLOATS, x, at);
    }

    private static FloatVector broadcast(float value) {
        return FloatVector.broadcast(FLOATS, value);
    }

    static void oneBit(StripStage stage, StripInput input) {
        byte[] codes = stage.codes;
        float[] x = input.values;
        for (int row = 0; row < 16; row += COUNT) {
            FloatVector low = load(stage.sums, row);
            FloatVector high = load(stage.sums, 16 + row);
            for (int s = 0; s < stage.segments; s++) {
                FloatVector low0 = FloatVector.zero(FLOATS), low1 = low0, high0 = low0, high1 = low0;
                int first = s * stage.positions;
                for (int p = first; p < first + stage.positions; p++) {
                    IntVector bytes = unsigned(codes, stage.at + 16 * p + row);
                    FloatVector x0 = broadcast(x[4 * p]);
                    FloatVector x1 = broadcast(x[4 * p + 1]);
                    FloatVector x2 = broadcast(x[4 * p + 2]);
                    FloatVector x3 = broadcast(x[4 * p + 3]);
                    low0 = floats(bytes.and(0x01)).fma(x0, low0);
                    low1 = floats(bytes.and(0x02)).fma(x1, low1);
                    low0 = floats(bytes.and(0x04)).fma(x2, low0);
                    low1 = floats(bytes.and(0x08)).fma(x3, low1);
                    high0 = floats(bytes.and(0x10)).fma(x0, high0);
                    high1 = floats(bytes.and(0x20)).fma(x1, high1);
                    high0 = floats(bytes.and(0x40)).fma(x2, high0);
                    high1 = floats(bytes.and(0x80)).fma(x3, high1);
                }
                FloatVector shift = broadcast(input.shifts[s]);
                int place = 32 * s + row;
                low = low0.add(low1).add(shift).fma(stage.scale(place), low);
                high = high0.add(high1).fma(SIXTEENTH, shift).fma(stage.scale(place + 16), high);
                if (stage.hasOffsets) {
                    FloatVector sum = broadcast(input.sums[s]);
                    low = sum.fma(stage.offset(place), low);
                    high = sum.fma(stage.offset(place + 16), high);
                }
            }
            low.intoArray(stage.sums, row);
            high.intoArray(stage.sums, 16 + row);
        }
    }

    static void twoBits(StripStage stage, StripInput input) {
        byte[] codes = stage.codes;
        float[] x = input.values;
        for (int row = 0; row < 16; row += COUNT) {
            FloatVector low = load(stage.sums, row);
            FloatVector high = load(stage.sums, 16 + row);
            for (int s = 0; s < stage.segments; s++) {
                FloatVector low0 = FloatVector.zero(FLOATS), low1 = low0, high0 = low0, high1 = low0;
                int first = s * stage.positions;
                for (int p = first; p < first + stage.positions; p++) {
                    IntVector bytes = unsigned(codes, stage.at + 16 * p + row);
                    FloatVector x0 = broadcast(x[2 * p]);
                    FloatVector x1 = broadcast(x[2 * p + 1]);
                    low0 = floats(bytes.and(0x03)).fma(x0, low0);
                    low1 = floats(bytes.and(0x0C)).fma(x1, low1);
                    high0 = floats(bytes.and(0x30)).fma(x0, high0);
                    high1 = floats(bytes.and(0xC0)).fma(x1, high1);
                }
                FloatVector shift = broadcast(input.shifts[s]);
                int place = 32 * s + row;
                low = low0.add(low1).add(shift).fma(stage.scale(place), low);
                high = high0.add(high1).fma(SIXTEENTH, shift).fma(stage.scale(place + 16), high);
                if (stage.hasOffsets) {
                    FloatVector sum = broadcast(input.sums[s]);
                    low = sum.fma(stage.offset(place), low);
                    high = sum.fma(stage.offset(place + 16), high);
                }
            }
            low.intoArray(stage.sums, row);
            high.intoArray(stage.sums, 16 + row);
        }
    }

    static void fourBits(StripStage stage, StripInput input) {
        byte[] codes = stage.codes;
        float[] x = input.values;
        for (int row = 0; row < 16; row += COUNT) {
            FloatVector low = load(stage.sums, row);
            FloatVector high = load(stage.sums, 16 + row);
            for (int s = 0; s < stage.segments; s++) {
                FloatVector low0 = FloatVector.zero(FLOATS), low1 = low0, high0 = low0, high1 = low0;
                int first = s * stage.positions;
                for (int p = first; p < first + stage.positions; p += 2) {
                    IntVector bytes = unsigned(codes, stage.at + 16 * p + row);
                    FloatVector x0 = broadcast(x[p]);
                    low0 = floats(bytes.and(0x0F)).fma(x0, low0);
                    high0 = floats(bytes.and(0xF0)).fma(x0, high0);
                    bytes = unsigned(codes, stage.at + 16 * p + 16 + row);
                    FloatVector x1 = broadcast(x[p + 1]);
                    low1 = floats(bytes.and(0x0F)).fma(x1, low1);
                    high1 = floats(bytes.and(0xF0)).fma(x1, high1);
                }
                FloatVector shift = broadcast(input.shifts[s]);
                int place = 32 * s + row;
                low = low0.add(low1).add(shift).fma(stage.scale(place), low);
                high = high0.add(high1).fma(SIXTEENTH, shift).fma(stage.scale(place + 16), high);
                if (stage.hasOffsets) {
                    FloatVector sum = broadcast(input.sums[s]);
                    low = sum.fma(stage.offset(place), low);
                    high = sum.fma(stage.offset(place + 16), high);
                }
            }
            low.intoArray(stage.sums, row);
            high.intoArray(stage.sums, 16 + row);
        }
    }

    static void eightBits(StripStage stage, StripInput input) {
        byte[] codes = stage.codes;
        float[] x = input.values;
        for (int row = 0; row < 32; row += 4 * COUNT) {
            FloatVector sum0 = load(stage.sums, row);
            FloatVector sum1 = load(stage.sums, row + COUNT);
            FloatVector sum2 = load(stage.sums, (row + 2 * COUNT) % 32); // at 512 bits the first two are all there are
            FloatVector sum3 = load(stage.sums, (row + 3 * COUNT) % 32);
            for (int s = 0; s < stage.segments; s++) {
                FloatVector part0 = FloatVector.zero(FLOATS), part1 = part0, part2 = part0, part3 = part0;
                int first = s * stage.positions;
                for (int p = first; p < first + stage.positions; p++) {
                    int at = stage.at + 32 * p + row;
                    FloatVector v = broadcast(x[p]);
                    part0 = floats(signed(codes, at)).fma(v, part0);
                    part1 = floats(signed(codes, at + COUNT)).fma(v, part1);
                    if (COUNT < 16) {
                        part2 = floats(signed(codes, at + 2 * COUNT)).fma(v, part2);
                        part3 = floats(signed(codes, at + 3 * COUNT)).fma(v, part3);
                    }
                }
                FloatVector shift = broadcast(input.shifts[s]);
                FloatVector sum = broadcast(stage.hasOffsets ? input.sums[s] : 0);
                int place = 32 * s + row;
                sum0 = segment(stage, place, part0.add(shift), sum, sum0);
                sum1 = segment(stage, place + COUNT, part1.add(shift), sum, sum1);
                if (COUNT < 16) {
                    sum2 = segment(stage, place + 2 * COUNT, part2.add(shift), sum, sum2);
                    sum3 = segment(stage, place + 3 * COUNT, part3.add(shift), sum, sum3);
                }
            }
            sum0.intoArray(stage.sums, row);
            sum1.intoArray(stage.sums, row + COUNT);
            if (COUNT < 16) {
                sum2.intoArray(stage.sums, row + 2 * COUNT);
                sum3.intoArray(stage.sums, row + 3 * COUNT);
            }
        }
    }

    /** What a segment's products add to the sums of some rows. */
    private static FloatVector segment(
            StripStage stage, int place, FloatVector products, FloatVector sum, FloatVector before) {
        FloatVector after = products.fma(stage.scale(place), before);
        return stage.hasOffsets ? sum.fma(stage.offset(place), after) : after;
    }
}
