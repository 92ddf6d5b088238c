package dev.salient.kernel;

import static jdk.incubator.vector.VectorOperators.B2I;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.S2I;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_B2I;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vector width of this JVM, as constants that the compiler can see through.
 *
 * <p>The CPU's preferred width, unless the system property {@code salient.vector.bits} says 128, 256 or 512.
 */
final class Lanes {
    private static final VectorShape SHAPE = VectorShape.forBitSize(
            Integer.getInteger("salient.vector.bits", FloatVector.SPECIES_PREFERRED.vectorBitSize()));

    static final VectorSpecies<Float> FLOATS = VectorSpecies.of(float.class, SHAPE);
    static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, SHAPE);

    /** Floats in a vector: 4, 8 or 16. */
    static final int COUNT = FLOATS.length();

    /** As many bytes as a vector has floats, but at least 8, the shortest there is. */
    static final VectorSpecies<Byte> BYTES = COUNT == 16 ? ByteVector.SPECIES_128 : ByteVector.SPECIES_64;

    /** As many shorts as a vector has floats. */
    static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(COUNT * Short.SIZE));

    private static final VectorShuffle<Float> SWAP_8 = swap(8);
    private static final VectorShuffle<Float> SWAP_4 = swap(4);
    private static final VectorShuffle<Float> SWAP_2 = swap(2);
    private static final VectorShuffle<Float> SWAP_1 = swap(1);

    private Lanes() {}

    /** Exchanges lanes whose numbers differ by {@code distance}. */
    private static VectorShuffle<Float> swap(int distance) {
        return VectorShuffle.fromOp(FLOATS, lane -> distance < COUNT ? lane ^ distance : lane);
    }

    /**
     * The sum of the lanes, halves first. {@code reduceLanes} may add in any order, and does so in another one before and
     * after it is compiled: the same model would give other last bits from run to run.
     */
    static float sum(FloatVector vector) {
        FloatVector sum = vector;
        if (COUNT > 8) {
            sum = sum.add(sum.rearrange(SWAP_8));
        }
        if (COUNT > 4) {
            sum = sum.add(sum.rearrange(SWAP_4));
        }
        sum = sum.add(sum.rearrange(SWAP_2));
        return sum.add(sum.rearrange(SWAP_1)).lane(0);
    }

    /** One byte a lane, 0 to 255. */
    static IntVector unsigned(byte[] codes, int at) {
        return (IntVector) ByteVector.fromArray(BYTES, codes, at).convertShape(ZERO_EXTEND_B2I, INTS, 0);
    }

    /** One byte a lane, -128 to 127. */
    static IntVector signed(byte[] codes, int at) {
        return (IntVector) ByteVector.fromArray(BYTES, codes, at).convertShape(B2I, INTS, 0);
    }

    /** One bf16 number a lane. */
    static FloatVector bfloats(short[] values, int at) {
        IntVector bits = (IntVector) ShortVector.fromArray(SHORTS, values, at).convertShape(S2I, INTS, 0);
        return bits.lanewise(LSHL, 16).reinterpretAsFloats();
    }

    /** One finite fp16 number a lane, times a factor: its bits where fp32 has them, and the exponent's bias made up for. */
    static FloatVector halves(short[] values, int at, float factor) {
        return halves(ShortVector.fromArray(SHORTS, values, at), factor);
    }

    static FloatVector halves(ShortVector values, float factor) {
        IntVector bits = (IntVector) values.convertShape(S2I, INTS, 0);
        return bits.lanewise(LSHL, 13).and(0x8FFF_FFFF).reinterpretAsFloats().mul(0x1p112f * factor);
    }

    static FloatVector floats(IntVector codes) {
        return (FloatVector) codes.convertShape(I2F, FLOATS, 0);
    }
}
