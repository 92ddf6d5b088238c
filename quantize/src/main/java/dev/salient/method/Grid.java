package dev.salient.method;

import static dev.salient.method.Settings.require;

/** The values that a group of weights can take. */
public sealed interface Grid {
    /** Bits of one code. */
    int bits();

    /** Input channels that share a scale; 0 where a whole row does. */
    int groupSize();

    /** The group size in a row of {@code in} channels. */
    default int groupSizeFor(int in) {
        int size = groupSize() == 0 ? in : groupSize();
        require(
                in % size == 0,
                "group size: %d does not divide rows of %d; sizes that do: %s",
                size,
                in,
                Settings.divisors(in));
        return size;
    }

    /** Bits that one group stores beside its codes. */
    int bitsBesideCodes();

    /** Bits for each weight in rows of {@code in} channels. */
    default double bitsPerWeight(int in) {
        return bits() + (double) bitsBesideCodes() / groupSizeFor(in);
    }

    /**
     * Levels {-1, 0, 1, 2} times a signed fp16 scale, groups of 64: GGUF's Q2_0 and a GPTQ group at once.
     *
     * @param groupSize 64 for files that llama.cpp reads
     */
    record Signed2(int groupSize) implements Grid {
        public Signed2 {
            require(groupSize >= 0, "group size: got %d, want 0 (a whole row) or more", groupSize);
        }

        @Override
        public int bits() {
            return 2;
        }

        @Override
        public int bitsBesideCodes() {
            return 16;
        }
    }

    /**
     * {@code s (code - z)}, codes 0 to 2^bits - 1, any zero point.
     *
     * @param bits 2, 3, 4 or 8
     * @param groupSize input channels that share scale and zero point; 0: the whole row
     */
    record Affine(int bits, int groupSize) implements Grid {
        public Affine {
            require(bits == 2 || bits == 3 || bits == 4 || bits == 8, "bits: got %d, want 2, 3, 4 or 8", bits);
            require(groupSize >= 0, "group size: got %d, want 0 (a whole row) or more", groupSize);
        }

        @Override
        public int bitsBesideCodes() {
            return 16 + bits;
        }
    }
}
