package dev.salient.kernel;

/**
 * Codes of 1, 2, 4 or 8 bits as they lie in {@link Strips}. Codes of 3, 5 and 6 bits are two planes: their low 2 or 4 bits,
 * and the rest.
 *
 * <p>A position is what one byte of a row pair holds: a nibble, which is 4, 2 or 1 columns, lowest bits first. Kernels
 * mask codes where they are and shift nothing, which multiplies the j-th code of a nibble by {@code 2^(bits * j)};
 * the activations that meet it carry the inverse. Codes of 8 bits are signed, a byte for each row.
 */
enum Plane {
    ONE(1, "oneBit"),
    TWO(2, "twoBits"),
    FOUR(4, "fourBits"),
    EIGHT(8, "eightBits");

    private final int bits;
    private final String kernel;

    Plane(int bits, String kernel) {
        this.bits = bits;
        this.kernel = kernel;
    }

    static Plane of(int bits) {
        return switch (bits) {
            case 1 -> ONE;
            case 2 -> TWO;
            case 4 -> FOUR;
            case 8 -> EIGHT;
            default -> throw new IllegalArgumentException("plane: got %d bits, want 1, 2, 4 or 8".formatted(bits));
        };
    }

    int bits() {
        return bits;
    }

    /** The name of the method that a class of kernels has for it. */
    String kernel() {
        return kernel;
    }

    /** Columns of a position. */
    int columns() {
        return this == EIGHT ? 1 : 4 / bits;
    }

    /** Bytes of a position, all rows of a strip. */
    int positionBytes() {
        return this == EIGHT ? Strips.ROWS : Strips.ROWS / 2;
    }

    /** Where the levels of a nibble's code are balanced: its product tables count from here. */
    float center() {
        return ((1 << bits) - 1) / 2f;
    }
}
