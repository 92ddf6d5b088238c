package dev.salient.kernel;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaledGroups;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * Some consecutive rows of a weight, copied from its memory into small arrays that stay in the cache: codes as they are
 * stored, and one scale and one offset per chunk.
 *
 * <p>Kernels read arrays only: one form of access for mapped, native and heap memory, whose checks the compiler removes.
 */
final class Tile {
    static final VarHandle SHORTS = MethodHandles.byteArrayViewVarHandle(short[].class, LITTLE_ENDIAN);
    static final VarHandle WORDS = MethodHandles.byteArrayViewVarHandle(int[].class, LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    /** Kernels may read this many bytes past the last code. */
    private static final int SLACK = 64;

    CodeLayout layout = CodeLayout.VALUES;
    /** Rows held. */
    int rows;
    /** Chunks in a row. */
    int chunks;
    /** Bytes from one chunk to the next, and from a chunk's start to its codes. */
    int stride;

    int header;
    byte[] bytes = new byte[0];
    /** [rows, chunks]. */
    float[] scales = new float[0];
    /** [rows, chunks]. */
    float[] offsets = new float[0];
    /** [rows, width], for {@link CodeLayout#VALUES}; rows end in zeros. */
    float[] values = new float[0];

    int width;
    private short[] halves = new short[0];
    private byte[] zeros = new byte[0];
    private byte[] wide = new byte[0];

    /** Where the codes of a row begin. */
    int codesAt(int row) {
        return row * chunks * stride + header;
    }

    /** Copies rows {@code first} to {@code first + count - 1}. */
    void load(PackedWeight weight, int first, int count) {
        layout = CodeLayout.of(weight);
        rows = count;
        if (layout == CodeLayout.VALUES) {
            loadValues(weight, first);
            return;
        }
        chunks = weight.in() / layout.chunk();
        if (scales.length < count * chunks + Lanes.COUNT) {
            scales = new float[count * chunks + Lanes.COUNT];
            offsets = new float[count * chunks + Lanes.COUNT];
        }
        switch (weight) {
            case GroupAffine affine -> loadAffine(affine, first);
            case ScaledGroups groups -> loadGroups(groups, first);
            case Dense dense -> throw new IllegalStateException();
            case LowRank adapted -> throw new IllegalStateException();
        }
    }

    private void copyBytes(MemorySegment data, long at, int count) {
        if (bytes.length < count + SLACK) {
            bytes = new byte[count + SLACK];
        }
        MemorySegment.copy(data, JAVA_BYTE, at, bytes, 0, count);
    }

    private void loadAffine(GroupAffine affine, int first) {
        stride = layout.chunk() * affine.bits() / Byte.SIZE;
        header = 0;
        int rowBytes = chunks * stride;
        copyBytes(affine.codes(), (long) first * rowBytes, rows * rowBytes);
        if (affine.bits() == 2 && layout == CodeLayout.UNSIGNED_BYTES) {
            spreadTwoBits(rows * rowBytes);
            stride = layout.chunk();
        }
        int groups = affine.groupsPerRow();
        int count = rows * groups;
        if (halves.length < count) {
            halves = new short[count];
        }
        if (zeros.length < count) {
            zeros = new byte[count];
        }
        long at = (long) first * groups;
        MemorySegment.copy(affine.scales(), SHORT, at * Short.BYTES, halves, 0, count);
        MemorySegment.copy(affine.zeros(), JAVA_BYTE, at, zeros, 0, count);
        scaleAndZero(count, affine.groupSize() / layout.chunk());
    }

    /** Gives each two-bit code a byte of its own. */
    private void spreadTwoBits(int count) {
        byte[] to = wide.length < 4 * count + SLACK ? new byte[4 * count + SLACK] : wide;
        byte[] from = bytes;
        for (int i = 0; i < count; i++) {
            int code = from[i] & 0xFF;
            code = (code | (code << 12)) & 0x000F000F;
            WORDS.set(to, 4 * i, (code | (code << 6)) & 0x03030303);
        }
        wide = from;
        bytes = to;
    }

    private void scaleAndZero(int groups, int chunksPerGroup) {
        if (chunksPerGroup == 1) {
            for (int g = 0; g < groups; g++) {
                float scale = Float.float16ToFloat(halves[g]);
                scales[g] = scale;
                offsets[g] = -scale * (zeros[g] & 0xFF);
            }
            return;
        }
        for (int g = 0, to = 0; g < groups; g++) {
            float scale = Float.float16ToFloat(halves[g]);
            float offset = -scale * (zeros[g] & 0xFF);
            for (int c = 0; c < chunksPerGroup; c++, to++) {
                scales[to] = scale;
                offsets[to] = offset;
            }
        }
    }

    private void loadGroups(ScaledGroups groups, int first) {
        stride = groups.format().byteCount();
        int rowBytes = chunks * stride;
        copyBytes(groups.data(), (long) first * rowBytes, rows * rowBytes);
        switch (groups.format()) {
            case Q8_0 -> scaleOnly(0);
            case Q4_0 -> scaleOnly(-8);
            case Q5_0 -> scaleOnly(-16);
            case Q2_0 -> scaleOnly(-1);
            case Q4_1, Q5_1 -> scaleAndMinimum();
        }
        header = switch (groups.format()) {
            case Q8_0, Q4_0, Q2_0 -> 2;
            case Q4_1 -> 4;
            case Q5_0 -> 6;
            case Q5_1 -> 8;
        };
    }

    private void scaleOnly(int offset) {
        byte[] from = bytes;
        for (int c = 0, at = 0; c < rows * chunks; c++, at += stride) {
            float scale = Float.float16ToFloat((short) SHORTS.get(from, at));
            scales[c] = scale;
            offsets[c] = offset * scale;
        }
    }

    private void scaleAndMinimum() {
        byte[] from = bytes;
        for (int c = 0, at = 0; c < rows * chunks; c++, at += stride) {
            int both = (int) WORDS.get(from, at);
            scales[c] = Float.float16ToFloat((short) both);
            offsets[c] = Float.float16ToFloat((short) (both >> 16));
        }
    }

    private void loadValues(PackedWeight weight, int first) {
        int in = weight.in();
        width = Lanes.roundUp(in);
        if (values.length < rows * width) {
            values = new float[rows * width];
        }
        if (weight instanceof Dense dense && in == width) {
            copyValues(dense.values(), (long) first * in, 0, rows * in); // long runs: short loops are half prologue
            return;
        }
        for (int row = 0; row < rows; row++) {
            int at = row * width;
            if (weight instanceof Dense dense) {
                copyValues(dense.values(), (long) (first + row) * in, at, in);
            } else {
                weight.decodeRow(first + row, values, at);
            }
            Arrays.fill(values, at + in, at + width, 0);
        }
    }

    private void copyValues(Tensor from, long first, int at, int count) {
        switch (from.dtype()) {
            case F32 -> MemorySegment.copy(from.data(), FLOAT, first * Float.BYTES, values, at, count);
            case F16 -> {
                copyHalves(from, first, count);
                widenHalves(halves, values, at, count);
            }
            case BF16 -> {
                copyHalves(from, first, count);
                widenBfloats(halves, values, at, count);
            }
        }
    }

    private static void widenHalves(short[] from, float[] to, int at, int count) {
        for (int i = 0; i < count; i++) {
            to[at + i] = Float.float16ToFloat(from[i]);
        }
    }

    private static void widenBfloats(short[] from, float[] to, int at, int count) {
        int whole = Lanes.FLOATS.loopBound(count);
        for (int i = 0; i < whole; i += Lanes.COUNT) {
            Codes.bfloats(from, i).intoArray(to, at + i);
        }
        for (int i = whole; i < count; i++) {
            to[at + i] = Float.intBitsToFloat(from[i] << 16);
        }
    }

    private void copyHalves(Tensor from, long first, int count) {
        if (halves.length < count) {
            halves = new short[count];
        }
        MemorySegment.copy(from.data(), SHORT, first * Short.BYTES, halves, 0, count);
    }
}
