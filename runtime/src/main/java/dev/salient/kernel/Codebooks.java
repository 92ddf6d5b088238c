package dev.salient.kernel;

import static java.lang.invoke.MethodHandles.lookup;
import static java.lang.invoke.MethodType.methodType;
import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.S2I;

import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * A weight of codebooks as arrays: codes as they are stored, small codebooks as fp32, large ones of fp16 as they are, for the
 * bits of a codebook that miss the caches cost more than its conversion.
 *
 * <p>Rows are decoded by gathering: a code brings one vector of a codebook, which lies in one or two registers.
 */
final class Codebooks {
    /** Rows from which tables ({@link CodebookTables}) pay for themselves. */
    private static final int LEAST_ROWS = 192;

    /** Entries from which an fp16 codebook stays fp16. */
    private static final int LARGE = 4096;

    /** Numbers taken at once: no more than a group of 8 has. */
    private static final int LENGTH = Math.min(8, Lanes.COUNT);

    private static final VectorSpecies<Float> FLOATS =
            VectorSpecies.of(float.class, VectorShape.forBitSize(LENGTH * Float.SIZE));
    private static final VectorSpecies<Integer> INTS =
            VectorSpecies.of(int.class, VectorShape.forBitSize(LENGTH * Integer.SIZE));
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(LENGTH * Short.SIZE));

    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);

    /** {@code kernel(codebook, places, groups, groupSize, scale, values, to)} adds a vector to each group of a row. */
    private static final MethodHandle[] ADD_FLOATS = adder("addFloats", float[].class);

    private static final MethodHandle[] ADD_HALVES = adder("addHalves", short[].class);

    private final int out;
    private final int in;
    private final int count;
    private final int entries;
    private final int groupSize;
    /** [out, groups, count]; one of the two is empty. */
    private final byte[] byteCodes;

    private final short[] shortCodes;
    /** Of each codebook [entries, groupSize]; one of the two is empty. */
    private final float[][] floats;

    private final short[][] halves;
    /** [out]. */
    private final float[] scales;
    /** Of {@link CodebookTables}; empty where none are used. */
    private final float[] panels;

    private Codebooks(AdditiveCodebook weight) {
        out = weight.out();
        in = weight.in();
        count = weight.codebookCount();
        entries = weight.entries();
        groupSize = weight.groupSize();
        MemorySegment codes = weight.codes();
        boolean bytes = weight.codeBytes() == Byte.BYTES;
        byteCodes = bytes ? codes.toArray(ValueLayout.JAVA_BYTE) : new byte[0];
        shortCodes = bytes ? new short[0] : codes.toArray(SHORT);
        boolean half = entries >= LARGE && weight.codebooks().dtype() == DType.F16;
        floats = new float[half ? 0 : count][];
        halves = new short[half ? count : 0][];
        long size = (long) entries * groupSize;
        for (int m = 0; m < count; m++) {
            if (half) {
                MemorySegment own = weight.codebooks().data().asSlice(m * size * Short.BYTES, size * Short.BYTES);
                halves[m] = own.toArray(SHORT);
            } else {
                floats[m] = new float[Math.toIntExact(size)];
                for (int i = 0; i < size; i++) {
                    floats[m][i] = weight.codebooks().get(m * size + i);
                }
            }
        }
        scales = weight.scales().toFloats();
        panels = usesTables() ? CodebookTables.panels(this) : new float[0];
        Strips.letGo(codes);
    }

    private static MethodHandle[] adder(String name, Class<?> codebook) {
        return Apart.method(
                lookup(),
                name,
                methodType(
                        void.class,
                        codebook,
                        int[].class,
                        int.class,
                        int.class,
                        float.class,
                        float[].class,
                        int.class));
    }

    /** Whether a weight has codebooks whose vectors fill registers. */
    static boolean canHold(PackedWeight weight) {
        return weight instanceof AdditiveCodebook codebooks && codebooks.groupSize() % 8 == 0;
    }

    /** Copies a weight, which {@link #canHold} accepts. */
    static Codebooks of(PackedWeight weight) {
        return new Codebooks((AdditiveCodebook) weight);
    }

    /** Whether products of one token are looked up in {@link CodebookTables}: rows are decoded otherwise. */
    boolean usesTables() {
        return entries == CodebookTables.ENTRIES && groups() >= MicroKernel.ROWS && out >= LEAST_ROWS;
    }

    int out() {
        return out;
    }

    int in() {
        return in;
    }

    int groupSize() {
        return groupSize;
    }

    /** Groups of a row. */
    int groups() {
        return in / groupSize;
    }

    /** Codes of a row: for each group one of each codebook. */
    int rowCodes() {
        return groups() * count;
    }

    int count() {
        return count;
    }

    /** [out, groups, count], where codebooks have 256 entries. */
    byte[] byteCodes() {
        return byteCodes;
    }

    /** [entries, groupSize] of codebook {@code m}, where it is small. */
    float[] floats(int m) {
        return floats[m];
    }

    /** All vectors, [count * 256 / WIDTH, groupSize, WIDTH]. */
    float[] panels() {
        return panels;
    }

    float scale(int row) {
        return scales[row];
    }

    /**
     * Writes the values of one row.
     *
     * @param places buffer, [groups]; overwritten
     * @param values [in] from {@code to}; overwritten
     */
    void decode(int row, int[] places, float[] values, int to) {
        Arrays.fill(values, to, to + in, 0);
        int groups = groups();
        try {
            for (int m = 0; m < count; m++) {
                findPlaces(row, m, places);
                if (halves.length > 0) {
                    ADD_HALVES[0].invokeExact(halves[m], places, groups, groupSize, scales[row], values, to);
                } else {
                    ADD_FLOATS[0].invokeExact(floats[m], places, groups, groupSize, scales[row], values, to);
                }
            }
        } catch (Throwable e) {
            throw Apart.thrown(e);
        }
    }

    private void findPlaces(int row, int m, int[] places) {
        int groups = groups();
        int at = row * rowCodes() + m;
        int mask = entries - 1;
        if (byteCodes.length > 0) {
            for (int g = 0; g < groups; g++) {
                places[g] = (byteCodes[at + g * count] & mask) * groupSize;
            }
        } else {
            for (int g = 0; g < groups; g++) {
                places[g] = (shortCodes[at + g * count] & mask) * groupSize;
            }
        }
    }

    static void addFloats(
            float[] codebook, int[] places, int groups, int groupSize, float scale, float[] values, int to) {
        for (int k = 0; k < groupSize; k += LENGTH) {
            for (int g = 0; g < groups; g++) {
                int at = to + g * groupSize + k;
                FloatVector sum = FloatVector.fromArray(FLOATS, values, at);
                FloatVector.fromArray(FLOATS, codebook, places[g] + k)
                        .fma(FloatVector.broadcast(FLOATS, scale), sum)
                        .intoArray(values, at);
            }
        }
    }

    static void addHalves(
            short[] codebook, int[] places, int groups, int groupSize, float scale, float[] values, int to) {
        FloatVector factor = FloatVector.broadcast(FLOATS, 0x1p112f).mul(scale); // see Lanes.halves
        for (int k = 0; k < groupSize; k += LENGTH) {
            for (int g = 0; g < groups; g++) {
                int at = to + g * groupSize + k;
                FloatVector sum = FloatVector.fromArray(FLOATS, values, at);
                IntVector bits = (IntVector)
                        ShortVector.fromArray(SHORTS, codebook, places[g] + k).convertShape(S2I, INTS, 0);
                bits.lanewise(LSHL, 13)
                        .and(0x8FFF_FFFF)
                        .reinterpretAsFloats()
                        .fma(factor, sum)
                        .intoArray(values, at);
            }
        }
    }
}
