package dev.salient.kernel;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.tensor.MappedFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A weight of codebooks as arrays: codes as they are stored, small codebooks as fp32, large ones of fp16 as they are, for the
 * bits of a codebook that miss the caches cost more than its conversion.
 */
final class Codebooks {
    /** Rows from which tables ({@link CodebookTables}) pay for themselves. */
    private static final int LEAST_ROWS = 64;

    /** Entries from which an fp16 codebook stays fp16. */
    private static final int LARGE = 4096;

    /** What a register of two pieces may take before the first vector and beyond the last one. */
    static final int SLACK = Lanes.COUNT - CodebookRows.PIECE;

    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);

    private final int out;
    private final int in;
    private final int count;
    private final int entries;
    private final int groupSize;
    /** [out, groups, count]; one of the two is empty. */
    private final byte[] byteCodes;

    private final short[] shortCodes;
    /** Of each codebook the slack, [entries, groupSize], and the slack; one of the two is empty. */
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
                halves[m] = new short[Math.toIntExact(size + SLACK + SLACK)];
                MemorySegment.copy(own, SHORT, 0, halves[m], SLACK, Math.toIntExact(size));
            } else {
                floats[m] = new float[Math.toIntExact(size + SLACK + SLACK)];
                for (int i = 0; i < size; i++) {
                    floats[m][SLACK + i] = weight.codebooks().get(m * size + i);
                }
            }
        }
        scales = weight.scales().toFloats();
        panels = usesTables() ? CodebookTables.panels(this) : new float[0];
        MappedFile.letGo(codes);
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

    /** [entries, groupSize] of codebook {@code m} from {@link #SLACK} on, where it is small. */
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

    /** The same in fp16, where it is large. */
    short[] halves(int m) {
        return halves[m];
    }

    /** One number of codebook {@code m}'s array. */
    float value(int m, int at) {
        return areHalves() ? Float.float16ToFloat(halves[m][at]) : floats[m][at];
    }

    boolean areHalves() {
        return halves.length > 0;
    }

    /**
     * Where the pieces of a row lie in a codebook's array.
     *
     * @param places [in / {@link CodebookRows#PIECE}], overwritten
     */
    void findPlaces(int row, int m, int[] places) {
        int groups = groups();
        int pieces = groupSize / CodebookRows.PIECE;
        int at = row * rowCodes() + m;
        int mask = entries - 1;
        if (byteCodes.length > 0) {
            for (int g = 0; g < groups; g++) {
                places[g * pieces] = SLACK + (byteCodes[at + g * count] & mask) * groupSize;
            }
        } else {
            for (int g = 0; g < groups; g++) {
                places[g * pieces] = SLACK + (shortCodes[at + g * count] & mask) * groupSize;
            }
        }
        for (int k = 1; k < pieces; k++) {
            for (int p = k; p < groups * pieces; p += pieces) {
                places[p] = places[p - 1] + CodebookRows.PIECE;
            }
        }
    }
}
