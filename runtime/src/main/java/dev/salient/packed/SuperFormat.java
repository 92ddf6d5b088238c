package dev.salient.packed;

/**
 * GGUF's layouts whose groups share a block: "K-quants", super-blocks of 256 weights in groups of 16 or 32, whose scales (and
 * minima) are small integers times an fp16 number of the super-block; IQ4_NL, a block of one group whose codes stand for
 * 16 levels that are not evenly spaced; and IQ4_XS, which is both.
 */
public enum SuperFormat {
    /** {@code d sc q - dmin m}, q of 2 bits, sc and m of 4, groups of 16. */
    Q2_K(256, 84, 16, 2),
    /** {@code d (sc - 32) (q - 4)}, q of 3 bits, sc of 6, groups of 16. */
    Q3_K(256, 110, 16, 3),
    /** {@code d sc q - dmin m}, q of 4 bits, sc and m of 6, groups of 32. */
    Q4_K(256, 144, 32, 4),
    /** {@code d sc q - dmin m}, q of 5 bits, sc and m of 6, groups of 32. */
    Q5_K(256, 176, 32, 5),
    /** {@code d sc (q - 32)}, q of 6 bits, sc a signed byte, groups of 16. */
    Q6_K(256, 210, 16, 6),
    /** {@code d level[q]}, q of 4 bits; the levels are signed bytes. */
    IQ4_NL(32, 18, 32, 8),
    /** {@code d (sc - 32) level[q]}, sc of 6 bits, groups of 32; q and levels as IQ4_NL has them. */
    IQ4_XS(256, 136, 32, 8);

    private final int blockSize;
    private final int byteCount;
    private final int groupSize;
    private final int bits;

    SuperFormat(int blockSize, int byteCount, int groupSize, int bits) {
        this.blockSize = blockSize;
        this.byteCount = byteCount;
        this.groupSize = groupSize;
        this.bits = bits;
    }

    /** Weights of a block. */
    public int blockSize() {
        return blockSize;
    }

    /** Bytes of a block. */
    public int byteCount() {
        return byteCount;
    }

    /** Weights that share a scale. */
    public int groupSize() {
        return groupSize;
    }

    /** Bits of a code as {@link SuperBlocks#readRow} gives it: 8 where codes stand for levels. */
    public int bits() {
        return bits;
    }

    /** What is subtracted from every code. */
    public int zero() {
        return switch (this) {
            case Q3_K -> 4;
            case Q6_K -> 32;
            case Q2_K, Q4_K, Q5_K, IQ4_NL, IQ4_XS -> 0;
        };
    }

    /** Whether groups have minima. */
    public boolean hasMinima() {
        return this == Q2_K || this == Q4_K || this == Q5_K;
    }
}
