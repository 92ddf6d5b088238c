package dev.salient.format.gguf;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.salient.packed.GroupAffine;
import dev.salient.packed.GroupFormat;
import dev.salient.tensor.DType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The GGUF groups whose values are whole multiples of one scale, d k, all from a smallest to a largest.
 *
 * @param low the smallest k
 * @param high the largest k
 */
record GroupLevels(GroupFormat format, int low, int high) {
    /** The levels of a layout; null where its groups are not such, or no grid of ours has them. */
    static @Nullable GroupLevels find(@Nullable GroupFormat format) {
        return switch (format) {
            case Q1_0, TQ2_0 -> new GroupLevels(format, -1, 1);
            case Q2_0 -> new GroupLevels(format, -1, 2);
            case Q4_0 -> new GroupLevels(format, -8, 7);
            case Q5_0 -> new GroupLevels(format, -16, 15);
            case Q8_0 -> new GroupLevels(format, -128, 127);
            case Q4_1, Q5_1, TQ1_0 -> null; // minima of their own; slower than TQ2_0
            case null -> null;
        };
    }

    /** Stores the k of element i of a group at {@code at}, where everything is still 0. */
    void set(MemorySegment target, long at, int i, int k) {
        switch (format) {
            case Q1_0 -> add(target, at + 2 + i / 8, ((k + 1) / 2) << (i % 8));
            case TQ2_0 -> add(target, at + (i / 128 * 32L + i % 32), (k + 1) << (2 * (i / 32 % 4)));
            case Q2_0 -> add(target, at + 2 + i / 4, (k + 1) << (2 * (i % 4)));
            case Q4_0 -> add(target, at + 2 + i % 16, (k + 8) << (i < 16 ? 0 : 4));
            case Q5_0 -> {
                add(target, at + 2 + i / 8, ((k + 16) >> 4) << (i % 8));
                add(target, at + 6 + i % 16, ((k + 16) & 0xF) << (i < 16 ? 0 : 4));
            }
            case Q8_0 -> target.set(JAVA_BYTE, at + 2 + i, (byte) k);
            case Q4_1, Q5_1, TQ1_0 -> throw new IllegalStateException(format + " has no levels here");
        }
    }

    private static void add(MemorySegment target, long at, int bits) {
        target.set(JAVA_BYTE, at, (byte) (target.get(JAVA_BYTE, at) | bits));
    }

    /** Whether every group of an affine weight has the same values in these levels, with one scale of either sign. */
    boolean hold(GroupAffine weight) {
        if (weight.in() % format.groupSize() != 0 || weight.groupSize() % format.groupSize() != 0) {
            return false;
        }
        for (int row = 0; row < weight.out(); row++) {
            for (int first = 0; first < weight.in(); first += format.groupSize()) {
                if (sign(weight, row, first) == 0) {
                    return false;
                }
            }
        }
        return true;
    }

    /** A row of an affine weight in these levels: the same values. */
    void encode(GroupAffine weight, int row, MemorySegment target) {
        target.fill((byte) 0);
        long at = 0;
        for (int first = 0; first < weight.in(); first += format.groupSize()) {
            int group = first / weight.groupSize();
            int sign = sign(weight, row, first);
            DType.F16.set(target.asSlice(at + format.scaleAt(), Short.BYTES), 0, sign * weight.scale(row, group));
            for (int i = 0; i < format.groupSize(); i++) {
                set(target, at, i, sign * (weight.code(row, first + i) - weight.zero(row, group)));
            }
            at += format.byteCount();
        }
    }

    /**
     * The sign of the scale with which a group fits: by its zero point where the whole grid does, so that a 2-bit
     * group keeps the sign it was made with; otherwise by the codes that occur. 0 where it doesn't fit.
     */
    private int sign(GroupAffine weight, int row, int first) {
        int zero = weight.zero(row, first / weight.groupSize());
        int sign = sign(-zero, (1 << weight.bits()) - 1 - zero);
        if (sign != 0 && format != GroupFormat.Q1_0) {
            return sign;
        }
        int least = Integer.MAX_VALUE;
        int most = Integer.MIN_VALUE;
        for (int i = 0; i < format.groupSize(); i++) {
            int k = weight.code(row, first + i) - zero;
            if (k == 0 && format == GroupFormat.Q1_0) {
                return 0;
            }
            least = Math.min(least, k);
            most = Math.max(most, k);
        }
        return sign(least, most);
    }

    private int sign(int least, int most) {
        if (least >= low && most <= high) {
            return 1;
        }
        return -most >= low && -least <= high ? -1 : 0;
    }
}
