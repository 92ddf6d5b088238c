package dev.salient.cli;

import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaledGroups;
import java.util.Locale;

/**
 * How a weight is stored, in words and in bits.
 *
 * @param name {@code F16}, {@code Q4_1}, {@code signed2, groups of 64}, {@code ... + rank 8}
 * @param bits what grid and adapter need for all of the weight: codes, scales, zero points where they vary
 */
record StoredForm(String name, long bits) {
    static StoredForm of(PackedWeight weight) {
        return switch (weight) {
            case Dense dense -> new StoredForm(dense.values().dtype().name(), weight.storedBytes() * Byte.SIZE);
            case ScaledGroups groups -> new StoredForm(groups.format().name(), weight.storedBytes() * Byte.SIZE);
            case GroupAffine affine -> ofAffine(affine);
            case LowRank adapted -> {
                StoredForm base = of(adapted.base());
                long adapterBytes = adapted.storedBytes() - adapted.base().storedBytes();
                yield new StoredForm(base.name() + " + rank " + adapted.rank(), base.bits() + adapterBytes * Byte.SIZE);
            }
        };
    }

    private static StoredForm ofAffine(GroupAffine weight) {
        ZeroPoints zeros = ZeroPoints.of(weight);
        long groups = (long) weight.out() * weight.groupsPerRow();
        long perGroup = (long) Short.SIZE + (zeros == ZeroPoints.ANY ? weight.bits() : 0);
        long bits = (long) weight.out() * weight.in() * weight.bits() + groups * perGroup;
        String grid = zeros == ZeroPoints.SIGN ? "signed2" : "affine " + weight.bits() + " bit";
        String group = weight.groupsPerRow() == 1 ? "one scale a row" : "groups of " + weight.groupSize();
        return new StoredForm(String.format(Locale.ROOT, "%s, %s", grid, group), bits);
    }

    /** What the zero points of a weight say. */
    private enum ZeroPoints {
        /** The same everywhere: nothing that would have to be stored. */
        SAME,
        /** 1 or 2 in a grid of 2 bits: levels {-1, 0, 1, 2} of either sign, which the scale's sign bit can say. */
        SIGN,
        /** A number for each group. */
        ANY;

        static ZeroPoints of(GroupAffine weight) {
            boolean same = true;
            boolean sign = weight.bits() == 2;
            int first = weight.zero(0, 0);
            for (int row = 0; row < weight.out() && (same || sign); row++) {
                for (int group = 0; group < weight.groupsPerRow(); group++) {
                    int zero = weight.zero(row, group);
                    same &= zero == first;
                    sign &= zero == 1 || zero == 2;
                }
            }
            return sign ? SIGN : same ? SAME : ANY;
        }
    }
}
