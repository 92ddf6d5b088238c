package dev.salient.packed;

import static dev.salient.tensor.Preconditions.require;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.salient.tensor.DType;
import java.lang.foreign.MemorySegment;

/**
 * Integer codes with one scale and one zero point per group of consecutive input channels.
 *
 * <p>{@code w[o, i] = scale[o, g] * (code[o, i] - zero[o, g])}, with {@code g = i / groupSize}.
 *
 * @param bits bits per code: 2, 3, 4 or 8
 * @param groupSize input channels that share a scale; divides {@code in}
 * @param codes [out, in], {@code bits} each; a row is one stream of bits, lowest first within a byte
 * @param scales [out, in / groupSize], fp16, of either sign
 * @param zeros [out, in / groupSize], one byte each, in code units: 0 to 2^bits - 1
 */
public record GroupAffine(
        int out, int in, int bits, int groupSize, MemorySegment codes, MemorySegment scales, MemorySegment zeros)
        implements PackedWeight {
    public GroupAffine {
        require(bits == 2 || bits == 3 || bits == 4 || bits == 8, "bits: got %d, want 2, 3, 4 or 8", bits);
        require(groupSize > 0 && in % groupSize == 0, "groupSize: %d does not divide %d input channels", groupSize, in);
        require(in % 8 == 0, "in: got %d input channels, want a multiple of 8", in);
        long groups = (long) out * (in / groupSize);
        requireBytes("codes", codes, Math.multiplyExact((long) out, (long) in) * bits / Byte.SIZE);
        requireBytes("scales", scales, groups * Short.BYTES);
        requireBytes("zeros", zeros, groups);
        codes = codes.asReadOnly();
        scales = scales.asReadOnly();
        zeros = zeros.asReadOnly();
    }

    private static void requireBytes(String what, MemorySegment data, long want) {
        require(data.byteSize() == want, "%s: got %d bytes, want %d", what, data.byteSize(), want);
    }

    /** Groups in one row. */
    public int groupsPerRow() {
        return in / groupSize;
    }

    /** The stored integer at [row, column]. */
    public int code(int row, int column) {
        long bit = ((long) row * in + column) * bits;
        long at = bit >>> 3;
        int window = codes.get(JAVA_BYTE, at) & 0xFF;
        if (at + 1 < codes.byteSize()) {
            window |= (codes.get(JAVA_BYTE, at + 1) & 0xFF) << 8;
        }
        return (window >>> (bit & 7)) & ((1 << bits) - 1);
    }

    public float scale(int row, int group) {
        return DType.F16.get(scales, (long) row * groupsPerRow() + group);
    }

    public int zero(int row, int group) {
        return zeros.get(JAVA_BYTE, (long) row * groupsPerRow() + group) & 0xFF;
    }

    @Override
    public long storedBytes() {
        return codes.byteSize() + scales.byteSize() + zeros.byteSize();
    }

    /** Which levels the codes of a weight stand for, {@code code - zero}. */
    public enum Levels {
        /** -1 and 1: codes of 2 bits, zero points 1. */
        SIGNS,
        /** -1, 0 and 1: codes of 2 bits, zero points 1. */
        TERNARY,
        /** All that the bits allow. */
        ALL
    }

    /** The levels that occur. */
    public Levels levels() {
        if (bits != 2) {
            return Levels.ALL;
        }
        for (long i = 0; i < zeros.byteSize(); i++) {
            if (zeros.get(JAVA_BYTE, i) != 1) {
                return Levels.ALL;
            }
        }
        boolean signs = true;
        for (long i = 0; i < codes.byteSize(); i++) {
            int four = codes.get(JAVA_BYTE, i);
            if ((four & (four >>> 1) & 0x55) != 0) { // a code 3
                return Levels.ALL;
            }
            signs &= (four & 0x55) == 0; // no code 1
        }
        return signs ? Levels.SIGNS : Levels.TERNARY;
    }

    /** Bits that the codes need: a bit each where they are signs, and five to a byte where they are ternary. */
    private long neededCodeBits() {
        long count = Math.multiplyExact((long) out, (long) in);
        return switch (levels()) {
            case SIGNS -> count;
            case TERNARY -> Math.ceilDiv(count * Byte.SIZE, 5L);
            case ALL -> count * bits;
        };
    }

    /**
     * Codes and scales, and {@code bits} for each zero point; none where all zero points are one z or its mirror
     * image {@code 2^bits - 1 - z}, for then the scale's sign tells which.
     */
    @Override
    public long neededBits() {
        long zeroBits = zeros.byteSize() * bits;
        return neededCodeBits() + scales.byteSize() * Byte.SIZE + (zerosFollowFromSigns() ? 0 : zeroBits);
    }

    /** Whether every zero point is that of the first group or its mirror image {@code 2^bits - 1 - zero}. */
    public boolean zerosFollowFromSigns() {
        int first = zeros.get(JAVA_BYTE, 0) & 0xFF;
        int mirrored = (1 << bits) - 1 - first;
        for (long i = 1; i < zeros.byteSize(); i++) {
            int zero = zeros.get(JAVA_BYTE, i) & 0xFF;
            if (zero != first && zero != mirrored) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void decodeRow(int row, float[] values, int offset) {
        for (int i = 0; i < in; i++) {
            int group = i / groupSize;
            values[offset + i] = scale(row, group) * (code(row, i) - zero(row, group));
        }
    }
}
