package dev.salient.kernel;

import static dev.salient.kernel.Lanes.BYTES;
import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;
import static dev.salient.kernel.Lanes.INTS;
import static dev.salient.kernel.Lanes.SHORTS;
import static jdk.incubator.vector.VectorOperators.B2I;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.S2I;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_B2I;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;

/** Codes of a chunk as vectors: the steps that fused products and unpacking share. */
final class Codes {
    /** By how much each lane's three-bit code is shifted within its 24 bits. */
    private static final IntVector THREE_BIT_SHIFTS = IntVector.fromArray(INTS, threeBitShifts(), 0);

    private static final VectorMask<Integer> UPPER = VectorMask.fromLong(INTS, 0xFF00);

    private Codes() {}

    private static int[] threeBitShifts() {
        int[] shifts = new int[COUNT];
        for (int lane = 0; lane < COUNT; lane++) {
            shifts[lane] = 3 * (lane % 8);
        }
        return shifts;
    }

    /** One byte a lane, 0 to 255. */
    static IntVector unsigned(byte[] codes, int at) {
        return (IntVector) ByteVector.fromArray(BYTES, codes, at).convertShape(ZERO_EXTEND_B2I, INTS, 0);
    }

    /** One byte a lane, -128 to 127. */
    static IntVector signed(byte[] codes, int at) {
        return (IntVector) ByteVector.fromArray(BYTES, codes, at).convertShape(B2I, INTS, 0);
    }

    /** The three-bit codes {@code first}, a multiple of the vector length, and following. */
    static IntVector threeBits(byte[] codes, int at, int first) {
        int bit = 3 * first;
        int low = (int) Tile.WORDS.get(codes, at + (bit >> 3)) >>> (bit & 7);
        IntVector both = IntVector.broadcast(INTS, low);
        if (COUNT == 16) {
            both = both.blend((int) Tile.WORDS.get(codes, at + (bit >> 3) + 3), UPPER);
        }
        return both.lanewise(LSHR, THREE_BIT_SHIFTS).and(7);
    }

    /** Bits {@code first} and following of a word, each at the place of the fifth bit. */
    static IntVector fifthBits(int word, int first) {
        return IntVector.broadcast(INTS, word >>> first)
                .lanewise(LSHR, Lanes.IOTA)
                .and(1)
                .lanewise(LSHL, 4);
    }

    /** One bf16 number a lane. */
    static FloatVector bfloats(short[] values, int at) {
        IntVector bits = (IntVector) ShortVector.fromArray(SHORTS, values, at).convertShape(S2I, INTS, 0);
        return bits.lanewise(LSHL, 16).reinterpretAsFloats();
    }

    static FloatVector floats(IntVector codes) {
        return (FloatVector) codes.convertShape(I2F, FLOATS, 0);
    }
}
