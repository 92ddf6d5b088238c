package dev.salient.packed;

/** GGUF's layouts of a group of weights with its own scale: how many weights, in how many bytes. */
public enum GroupFormat {
    /** fp16 d, then 32 signed bytes q: {@code d q}. */
    Q8_0(32, 34),
    /** fp16 d, then 32 nibbles q, low halves first: {@code d (q - 8)}. */
    Q4_0(32, 18),
    /** fp16 d, fp16 m, then 32 nibbles q: {@code d q + m}. */
    Q4_1(32, 20),
    /** fp16 d, 32 high bits, 32 nibbles: {@code d (q - 16)}. */
    Q5_0(32, 22),
    /** fp16 d, fp16 m, 32 high bits, 32 nibbles: {@code d q + m}. */
    Q5_1(32, 24),
    /** fp16 d of either sign, then 64 two-bit q, lowest bits first: {@code d (q - 1)}. */
    Q2_0(64, 18),
    /** 64 bytes, then fp16 d; each half is 32 bytes of four two-bit q, 32 weights apart: {@code d (q - 1)}, q at most 2. */
    TQ2_0(256, 66),
    /**
     * 240 weights, five to a byte, then 16, four to a byte, then fp16 d: {@code d (q - 1)}. A byte is a fraction of 256, and its q are the
     * digits of that fraction in base 3.
     */
    TQ1_0(256, 54),
    /** fp16 d, then 128 bits q, lowest first: {@code d (2 q - 1)}. */
    Q1_0(128, 18);

    private final int groupSize;
    private final int byteCount;

    GroupFormat(int groupSize, int byteCount) {
        this.groupSize = groupSize;
        this.byteCount = byteCount;
    }

    /** Weights in a group. */
    public int groupSize() {
        return groupSize;
    }

    /** Where a group's scale, fp16, begins in its bytes. */
    public int scaleAt() {
        return switch (this) {
            case TQ2_0 -> 64;
            case TQ1_0 -> 52;
            case Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_0, Q1_0 -> 0;
        };
    }

    private static final int[] POWERS = {1, 3, 9, 27, 81};

    /** Digit {@code n} of a byte of TQ1_0: 0, 1 or 2. */
    public static int ternaryDigit(int octet, int n) {
        return (((octet * POWERS[n]) & 0xFF) * 3) >> 8;
    }

    /** The byte of a TQ1_0 group that holds weight i, and the digit in it: {@code byte * 5 + digit}. */
    public static int ternaryPlace(int i) {
        if (i < 160) {
            return i % 32 * 5 + i / 32;
        }
        return i < 240 ? (32 + (i - 160) % 16) * 5 + (i - 160) / 16 : (48 + (i - 240) % 4) * 5 + (i - 240) / 4;
    }

    /** Bytes of a group, scale included. */
    public int byteCount() {
        return byteCount;
    }
}
