package dev.salient.format.gptq;

import static dev.salient.tensor.Preconditions.require;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.salient.packed.GroupAffine;
import dev.salient.packed.GroupFormat;
import dev.salient.packed.ScaledGroups;
import dev.salient.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * GGUF's groups whose values are whole multiples of one scale, as the affine grids that hold the same values.
 *
 * @param bits of a code
 * @param zero the zero point of every group
 */
record AffineGroups(int bits, int zero) {
    /** The grid of a layout; null where its groups have minima of their own. */
    static @org.jspecify.annotations.Nullable AffineGroups find(GroupFormat format) {
        return switch (format) {
            case Q1_0, Q2_0, TQ1_0, TQ2_0 -> new AffineGroups(2, 1);
            case Q4_0 -> new AffineGroups(4, 8);
            case Q5_0, Q8_0 -> new AffineGroups(8, 128);
            case Q4_1, Q5_1 -> null;
        };
    }

    /** The same values on this grid. */
    GroupAffine convert(String place, ScaledGroups weight, Arena arena) {
        GroupFormat format = weight.format();
        int in = weight.in();
        int groups = in / format.groupSize();
        MemorySegment codes = arena.allocate((long) weight.out() * in * bits / Byte.SIZE);
        MemorySegment scales = arena.allocate((long) weight.out() * groups * Short.BYTES);
        byte[] zeros = new byte[Math.multiplyExact(weight.out(), groups)];
        Arrays.fill(zeros, (byte) zero);
        float[] values = new float[in];
        for (int row = 0; row < weight.out(); row++) {
            weight.decodeRow(row, values, 0);
            for (int g = 0; g < groups; g++) {
                long group = (long) row * groups + g;
                long at = group * format.byteCount() + format.scaleAt();
                float scale = DType.F16.get(weight.data().asSlice(at, Short.BYTES), 0);
                require(
                        Float.isFinite(scale),
                        "%s: got a scale of %s at [%d, %d], want a number",
                        place,
                        scale,
                        row,
                        g);
                DType.F16.set(scales, group, scale);
                for (int i = g * format.groupSize(); i < (g + 1) * format.groupSize(); i++) {
                    // a product of fp16 and 8 bits is exact in fp32, and so is this quotient
                    int k = scale == 0 ? 0 : Math.round(values[i] / scale);
                    GptqPacking.addBits(codes, ((long) row * in + i) * bits, k + zero);
                }
            }
        }
        MemorySegment zeroPoints = arena.allocate(zeros.length);
        MemorySegment.copy(zeros, 0, zeroPoints, JAVA_BYTE, 0, zeros.length);
        return new GroupAffine(weight.out(), in, bits, format.groupSize(), codes, scales, zeroPoints);
    }
}
