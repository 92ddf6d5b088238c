package dev.salient.packed;

/**
 * The weight of one linear layer, [out, in], in the form in which it is stored and computed on.
 *
 * <p>{@link #decodeRow} is the definition of the values; kernels are fast ways to the same numbers. A {@link ScaleMixture} alone has none: what
 * it computes depends on the token.
 */
public sealed interface PackedWeight
        permits Dense, GroupAffine, AdditiveCodebook, Reordered, ScaledGroups, SuperBlocks, ScaleMixture, LowRank {
    /** Output channels: rows. */
    int out();

    /** Input channels: columns. */
    int in();

    /** Bytes of everything stored for this weight: codes, scales, zero points, adapters. */
    long storedBytes();

    /**
     * Writes the values of one row as fp32.
     *
     * @param row 0 to {@code out - 1}
     * @param values at least {@code offset + in} long; {@code [offset, offset + in)} is overwritten
     */
    void decodeRow(int row, float[] values, int offset);

    /** Bits that the grid and the adapters need: less than what is stored where a part follows from another. */
    default long neededBits() {
        return storedBytes() * Byte.SIZE;
    }

    /** Needed bits for each of the {@code out * in} weights. */
    default double bitsPerWeight() {
        return neededBits() / ((double) out() * in());
    }
}
