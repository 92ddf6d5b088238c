package dev.salient.method;

import static dev.salient.method.Settings.require;

/** The values that a group of weights can take. */
public sealed interface Grid {
    /** Bits that a code is packed in. */
    int bits();

    /** Bits that a code needs. */
    default double codeBits() {
        return bits();
    }

    /** The largest code: codes begin with 0. */
    default int largestCode() {
        return (1 << bits()) - 1;
    }

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

    /** Bits for each weight of a linear, [out, in]. */
    default double bitsPerWeight(int out, int in) {
        return codeBits() + (double) bitsBesideCodes() / groupSizeFor(in);
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
     * Levels {@code 1 - h} to h, {@code h = 2^(bits - 1)}, times a signed fp16 scale: GGUF's Q4_0 or Q8_0 and a GPTQ group at once. The range
     * of a group is as wide as these levels, its largest weight the h of them, as llama.cpp rounds.
     *
     * @param bits 4 or 8
     * @param groupSize a multiple of 32 for files that llama.cpp reads
     */
    record Signed(int bits, int groupSize) implements Grid {
        public Signed {
            require(bits == 4 || bits == 8, "bits: got %d, want 4 or 8", bits);
            require(groupSize >= 0, "group size: got %d, want 0 (a whole row) or more", groupSize);
        }

        @Override
        public int bitsBesideCodes() {
            return 16;
        }

        /** Levels on the side that has more of them: h. */
        public int longSide() {
            return 1 << (bits - 1);
        }

        /** How far the other side reaches, as a share of it. */
        public float shortSide() {
            return (longSide() - 1f) / longSide();
        }
    }

    /**
     * Levels {-1, 0, 1} times an fp16 scale, packed as {@link Signed2} is, without its code 3: GGUF's TQ2_0 in groups of 256.
     *
     * @param groupSize 0: the whole row
     */
    record Ternary(int groupSize) implements Grid {
        public Ternary {
            require(groupSize >= 0, "group size: got %d, want 0 (a whole row) or more", groupSize);
        }

        @Override
        public int bits() {
            return 2;
        }

        /** Five to a byte, as GGUF's TQ1_0 has them. */
        @Override
        public double codeBits() {
            return 1.6;
        }

        @Override
        public int largestCode() {
            return 2;
        }

        @Override
        public int bitsBesideCodes() {
            return 16;
        }
    }

    /**
     * Levels {-1, 1} times an fp16 scale, packed as {@link Signed2} is, with its codes 0 and 2 alone: GGUF's Q1_0 in groups of 128.
     *
     * @param groupSize 0: the whole row
     */
    record Binary(int groupSize) implements Grid {
        public Binary {
            require(groupSize >= 0, "group size: got %d, want 0 (a whole row) or more", groupSize);
        }

        @Override
        public int bits() {
            return 2;
        }

        @Override
        public double codeBits() {
            return 1;
        }

        @Override
        public int largestCode() {
            return 2;
        }

        @Override
        public int bitsBesideCodes() {
            return 16;
        }
    }

    /**
     * DB-LLM's dual binarization: the sum of two bits, each with an fp16 scalar of the group. No known format holds it, so that it is
     * stored as plain fp16: for studies.
     *
     * @param groupSize 0: the whole row
     */
    record DualBinary(int groupSize) implements Grid {
        public DualBinary {
            require(groupSize >= 0, "group size: got %d, want 0 (a whole row) or more", groupSize);
        }

        @Override
        public int bits() {
            return 2;
        }

        @Override
        public int bitsBesideCodes() {
            return 32;
        }
    }

    /**
     * GGUF's Q2_K: {@code d sc q - dmin m}, codes q of 2 bits, in groups of 16 a scale sc and a minimum m of 4 bits each, and two fp16 numbers
     * for 256 weights. 2.625 bits.
     */
    record Q2K() implements Grid {
        /** Weights that share d and dmin. */
        public static final int BLOCK = 256;

        @Override
        public int bits() {
            return 2;
        }

        @Override
        public int groupSize() {
            return 16;
        }

        @Override
        public int groupSizeFor(int in) {
            require(
                    in % BLOCK == 0,
                    "--grid q2_k: got rows of %d channels, want multiples of %d; signed2 takes groups of %s",
                    in,
                    BLOCK,
                    Settings.divisors(in));
            return groupSize();
        }

        @Override
        public int bitsBesideCodes() {
            return 4 + 4 + 2 * 16 * groupSize() / BLOCK;
        }
    }

    /**
     * BinaryMoS's binary mixture of scales: signs, and scales of rows and columns that a router mixes for each token from those of some
     * experts (arXiv 2406.12311). No weight has a value by itself.
     *
     * @param experts scales of each row and column
     */
    record BinaryMos(int experts) implements Grid {
        /** Channels that rows are multiples of. */
        private static final int CHANNELS = 32;

        public BinaryMos {
            require(experts >= 1 && experts <= 256, "--experts: got %d, want 1 to 256", experts);
        }

        @Override
        public int bits() {
            return 1;
        }

        /** No weights share a scale that other weights of the row do not share. */
        @Override
        public int groupSize() {
            return 0;
        }

        @Override
        public int groupSizeFor(int in) {
            require(
                    in % CHANNELS == 0,
                    "--grid binary-mos: got rows of %d channels, want multiples of %d",
                    in,
                    CHANNELS);
            return in;
        }

        /** In {@link #bitsPerWeight}, since columns have theirs too. */
        @Override
        public int bitsBesideCodes() {
            return 0;
        }

        /** A sign, and of each expert a row of the router and the scales of both sides, fp16. */
        @Override
        public double bitsPerWeight(int out, int in) {
            return 1 + 16.0 * experts * (2.0 * in + out) / ((double) out * in);
        }
    }

    /** Whether levels lie as far above zero as below, so that a group's range does too. */
    default boolean isSymmetric() {
        return this instanceof Ternary || this instanceof Binary;
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

    /**
     * Each group the sum of one vector from each of some codebooks, times the row's scale; codebooks are the linear's own
     * (AQLM, arXiv 2401.06118).
     *
     * @param count codebooks
     * @param bits of one code: a codebook has 2^bits vectors
     * @param groupSize consecutive weights that a vector stands for
     */
    record Codebooks(int count, int bits, int groupSize) implements Grid {
        public Codebooks {
            require(count >= 1 && count <= 4, "codebooks: got %d, want 1 to 4", count);
            require(bits >= 1 && bits <= 16, "codebook bits: got %d, want 1 to 16", bits);
            require(groupSize >= 1, "group size: got %d, want 1 or more", groupSize);
        }

        /** Vectors of a codebook. */
        public int entries() {
            return 1 << bits;
        }

        @Override
        public int bitsBesideCodes() {
            return 0;
        }

        @Override
        public double bitsPerWeight(int out, int in) {
            double codes = (double) count * bits / groupSizeFor(in);
            double vectors = 16.0 * count * entries() * groupSize / ((double) out * in);
            return codes + vectors + 16.0 / in;
        }
    }
}
