package dev.salient.kernel;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.salient.packed.GroupAffine;
import dev.salient.packed.GroupFormat;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaleMixture;
import dev.salient.packed.ScaledGroups;
import dev.salient.packed.SuperBlocks;
import dev.salient.packed.SuperFormat;
import dev.salient.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One row of a quantized weight at a time, a byte for each code: {@code value = unit * scale * (code - zero - zeros_g) +
 * minimumUnit * minimum_g}.
 *
 * <p>Codes of 8 bits are signed, others are not. Groups whose zero points are one number or its mirror image
 * {@code 2^bits - 1 - zero} come with mirrored codes and negative scales, so that they have one zero.
 */
final class RowCodes {
    /**
     * What scales of blocks count: products of an fp16 number with an integer are smaller and larger than fp16 likes, in which
     * strips keep them; so they lie in the middle of it.
     */
    private static final float BLOCK_UNIT = 0x1p-6f;

    private final PackedWeight weight;
    private final int bits;
    private final int groupSize;
    private final Offsets offsets;
    private final float zero;
    /** The bytes of the row as stored. */
    private byte[] raw = new byte[0];

    /** [in]. */
    final byte[] codes;
    /** [in / groupSize]. */
    final float[] scales;
    /** [in / groupSize]; 0 where offsets are not {@link Offsets#ZEROS}. */
    final byte[] zeros;
    /** [in / groupSize]. */
    final float[] minima;

    /** What differs from group to group besides the scale. */
    enum Offsets {
        NONE,
        ZEROS,
        MINIMA
    }

    /** Taken apart, where the weight is in blocks; else null. */
    private final SuperBlocks.@Nullable Row apart;

    private RowCodes(PackedWeight weight, int bits, int groupSize, Offsets offsets, float zero) {
        this.weight = weight;
        this.bits = bits;
        this.groupSize = groupSize;
        this.offsets = offsets;
        this.zero = zero;
        codes = new byte[weight.in()];
        scales = new float[weight.in() / groupSize];
        zeros = new byte[scales.length];
        minima = new float[scales.length];
        apart = weight instanceof SuperBlocks blocks ? blocks.newRow() : null;
    }

    /** The codes of a weight, which must have some. */
    static RowCodes of(PackedWeight weight) {
        return switch (weight) {
            case GroupAffine affine
            when affine.levels() == GroupAffine.Levels.SIGNS ->
                new RowCodes(affine, 1, affine.groupSize(), Offsets.NONE, 0.5f);
            case GroupAffine affine -> {
                boolean one = affine.zerosFollowFromSigns();
                int signed = affine.bits() == 8 ? 128 : 0;
                yield new RowCodes(
                        affine,
                        affine.bits(),
                        affine.groupSize(),
                        one ? Offsets.NONE : Offsets.ZEROS,
                        one ? affine.zero(0, 0) - signed : 0);
            }
            case ScaledGroups groups -> {
                int size = groups.format().groupSize();
                yield switch (groups.format()) {
                    case Q8_0 -> new RowCodes(groups, 8, size, Offsets.NONE, 0);
                    case Q5_0 -> new RowCodes(groups, 5, size, Offsets.NONE, 16);
                    case Q5_1 -> new RowCodes(groups, 5, size, Offsets.MINIMA, 0);
                    case Q4_0 -> new RowCodes(groups, 4, size, Offsets.NONE, 8);
                    case Q4_1 -> new RowCodes(groups, 4, size, Offsets.MINIMA, 0);
                    case Q2_0, TQ1_0, TQ2_0 -> new RowCodes(groups, 2, size, Offsets.NONE, 1);
                    case Q1_0 -> new RowCodes(groups, 1, size, Offsets.NONE, 0.5f);
                };
            }
            case SuperBlocks blocks -> {
                SuperFormat format = blocks.format();
                Offsets offsets = format.hasMinima() ? Offsets.MINIMA : Offsets.NONE;
                yield new RowCodes(blocks, format.bits(), format.groupSize(), offsets, format.zero());
            }
            case ScaleMixture mixture -> new RowCodes(mixture, 1, mixture.in(), Offsets.NONE, 0.5f);
            default -> throw new IllegalArgumentException("no codes in " + weight);
        };
    }

    /** Buffers of its own over the same weight, for another thread. */
    RowCodes another() {
        return new RowCodes(weight, bits, groupSize, offsets, zero);
    }

    Offsets offsets() {
        return offsets;
    }

    /** What is subtracted from every code. */
    float zero() {
        return zero;
    }

    /** What scales count: 2 where the codes 0 and 1 stand for -1 and 1. */
    float unit() {
        return apart != null ? BLOCK_UNIT : bits == 1 ? 2 : 1;
    }

    /** What minima count. */
    float minimumUnit() {
        return apart != null ? BLOCK_UNIT : 1;
    }

    /** Bits of a code. */
    int bits() {
        return bits;
    }

    /** Columns that share a scale. */
    int groupSize() {
        return groupSize;
    }

    /** Takes a row: all arrays are overwritten. */
    void load(int row) {
        switch (weight) {
            case GroupAffine affine -> load(affine, row);
            case ScaledGroups groups -> load(groups, row);
            case SuperBlocks blocks -> load(blocks, row);
            case ScaleMixture mixture -> {
                copy(mixture.signs(), (long) row * codes.length / Byte.SIZE, codes.length / Byte.SIZE);
                scales[0] = 1;
                singleBits(0, 0);
            }
            default -> throw new IllegalStateException();
        }
    }

    private void copy(MemorySegment data, long at, int count) {
        if (raw.length < count) {
            raw = new byte[count];
        }
        MemorySegment.copy(data, JAVA_BYTE, at, raw, 0, count);
    }

    private void load(GroupAffine affine, int row) {
        int rowBytes = affine.in() * affine.bits() / Byte.SIZE;
        copy(affine.codes(), (long) row * rowBytes, rowBytes);
        for (int g = 0; g < scales.length; g++) {
            scales[g] = affine.scale(row, g);
            zeros[g] = (byte) (offsets == Offsets.NONE ? 0 : affine.zero(row, g) - (bits == 8 ? 128 : 0));
        }
        switch (bits) {
            case 1 -> signs();
            case 2 -> twoBits(0, codes.length, 0);
            case 3 -> threeBits();
            case 4 -> nibblePairs();
            default -> {
                for (int i = 0; i < codes.length; i++) {
                    codes[i] = (byte) (raw[i] - 128);
                }
            }
        }
        if (offsets == Offsets.NONE && bits > 1) {
            mirror(affine, row);
        }
    }

    /** Brings groups with the mirrored zero point to the common one. */
    private void mirror(GroupAffine affine, int row) {
        int common = affine.zero(0, 0);
        int sum = bits == 8 ? -1 : (1 << bits) - 1;
        for (int g = 0; g < scales.length; g++) {
            if (affine.zero(row, g) != common) {
                scales[g] = -scales[g];
                for (int i = g * groupSize; i < (g + 1) * groupSize; i++) {
                    codes[i] = (byte) (sum - codes[i]);
                }
            }
        }
    }

    private void load(ScaledGroups groups, int row) {
        GroupFormat format = groups.format();
        int stride = format.byteCount();
        copy(groups.data(), (long) row * scales.length * stride, scales.length * stride);
        MemorySegment halves = MemorySegment.ofArray(raw);
        for (int g = 0; g < scales.length; g++) {
            int at = g * stride;
            int to = g * groupSize;
            scales[g] = DType.F16.get(halves, (at + format.scaleAt()) / Short.BYTES);
            switch (format) {
                case Q8_0 -> System.arraycopy(raw, at + 2, codes, to, 32);
                case Q4_0 -> nibbleHalves(at + 2, to);
                case Q5_0 -> {
                    nibbleHalves(at + 6, to);
                    fifthBits(at + 2, to);
                }
                case Q4_1 -> {
                    nibbleHalves(at + 4, to);
                    minima[g] = DType.F16.get(halves, at / Short.BYTES + 1);
                }
                case Q5_1 -> {
                    nibbleHalves(at + 8, to);
                    fifthBits(at + 4, to);
                    minima[g] = DType.F16.get(halves, at / Short.BYTES + 1);
                }
                case Q2_0 -> twoBits(at + 2, groupSize, to);
                case TQ2_0 -> twoBitsApart(at, to);
                case TQ1_0 -> ternaryDigits(at, to);
                case Q1_0 -> singleBits(at + 2, to);
            }
        }
    }

    private void load(SuperBlocks blocks, int row) {
        SuperBlocks.Row from = Objects.requireNonNull(apart);
        blocks.readRow(row, from);
        System.arraycopy(from.codes(), 0, codes, 0, codes.length);
        for (int g = 0; g < scales.length; g++) {
            scales[g] = from.scales()[g] / BLOCK_UNIT;
            minima[g] = -from.minima()[g] / BLOCK_UNIT;
        }
    }

    /** Four codes to a byte, lowest bits first. */
    private void twoBits(int from, int count, int to) {
        for (int i = 0; i < count; i += 4) {
            int four = raw[from + i / 4];
            codes[to + i] = (byte) (four & 3);
            codes[to + i + 1] = (byte) ((four >> 2) & 3);
            codes[to + i + 2] = (byte) ((four >> 4) & 3);
            codes[to + i + 3] = (byte) ((four >> 6) & 3);
        }
    }

    /** Codes of 2 bits, 0 or 2, become 0 or 1. */
    private void signs() {
        twoBits(0, codes.length, 0);
        for (int i = 0; i < codes.length; i++) {
            codes[i] >>= 1;
        }
    }

    /** Two times 32 bytes, each with four codes that are 32 apart. */
    private void twoBitsApart(int from, int to) {
        for (int i = 0; i < groupSize; i++) {
            codes[to + i] = (byte) ((raw[from + i / 128 * 32 + i % 32] >> (2 * (i / 32 % 4))) & 3);
        }
    }

    private void ternaryDigits(int from, int to) {
        for (int i = 0; i < groupSize; i++) {
            int place = GroupFormat.ternaryPlace(i);
            codes[to + i] = (byte) GroupFormat.ternaryDigit(raw[from + place / 5] & 0xFF, place % 5);
        }
    }

    private void singleBits(int from, int to) {
        for (int i = 0; i < groupSize; i++) {
            codes[to + i] = (byte) ((raw[from + i / 8] >> (i % 8)) & 1);
        }
    }

    /** One stream of bits, eight codes to three bytes. */
    private void threeBits() {
        for (int i = 0, from = 0; i < codes.length; i += 8, from += 3) {
            int stream = (raw[from] & 0xFF) | (raw[from + 1] & 0xFF) << 8 | (raw[from + 2] & 0xFF) << 16;
            for (int j = 0; j < 8; j++) {
                codes[i + j] = (byte) ((stream >> (3 * j)) & 7);
            }
        }
    }

    /** Neighbours share a byte, low half first. */
    private void nibblePairs() {
        for (int i = 0; i < codes.length; i += 2) {
            codes[i] = (byte) (raw[i / 2] & 0xF);
            codes[i + 1] = (byte) ((raw[i / 2] >> 4) & 0xF);
        }
    }

    /** 16 bytes: the low halves are codes 0 to 15, the high ones 16 to 31. */
    private void nibbleHalves(int from, int to) {
        for (int j = 0; j < 16; j++) {
            codes[to + j] = (byte) (raw[from + j] & 0xF);
            codes[to + 16 + j] = (byte) ((raw[from + j] >> 4) & 0xF);
        }
    }

    private void fifthBits(int from, int to) {
        for (int j = 0; j < 32; j++) {
            codes[to + j] |= (byte) (((raw[from + j / 8] >> (j % 8)) & 1) << 4);
        }
    }
}
