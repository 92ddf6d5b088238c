package dev.salient.packed;

import static dev.salient.tensor.Preconditions.require;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Groups of consecutive input channels, each the sum of one vector from each of some codebooks, times the row's scale
 * (<a href="https://arxiv.org/abs/2401.06118">AQLM</a>, section 3).
 *
 * <p>{@code w[o, g * groupSize + k] = scale[o] * sum_m codebook[m, code[o, g, m], k]}.
 *
 * @param codes [out, in / groupSize, codebookCount], a byte each where codebooks have up to 256 entries, else two bytes, little-endian;
 *     bits above the codebook's own don't count
 * @param codebooks [codebookCount, 2^bits, groupSize], bits from 1 to 16
 * @param scales [out]
 */
public record AdditiveCodebook(int out, int in, MemorySegment codes, Tensor codebooks, Tensor scales)
        implements PackedWeight {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);

    public AdditiveCodebook {
        require(
                codebooks.shape().rank() == 3,
                "codebooks: got shape %s, want [count, 2^bits, group]",
                codebooks.shape());
        int count = codebooks.shape().dimension(0);
        int entries = codebooks.shape().dimension(1);
        int groupSize = codebooks.shape().dimension(2);
        require(count > 0, "codebooks: got none, want at least 1");
        require(
                entries >= 2 && entries <= 1 << 16 && Integer.bitCount(entries) == 1,
                "codebooks: got %d entries, want a power of 2 up to 65536",
                entries);
        require(groupSize > 0 && in % groupSize == 0, "groupSize: %d does not divide %d input channels", groupSize, in);
        require(scales.shape().equals(Shape.of(out)), "scales: got shape %s, want [%d]", scales.shape(), out);
        long want = Math.multiplyExact((long) out, (long) (in / groupSize))
                * Math.multiplyExact(count, entries <= 256 ? Byte.BYTES : Short.BYTES);
        require(codes.byteSize() == want, "codes: got %d bytes, want %d", codes.byteSize(), want);
        codes = codes.asReadOnly();
    }

    /**
     * A weight over copies of these numbers; codebooks and scales are rounded to fp16.
     *
     * @param shape of the codebooks: [codebookCount, 2^bits, groupSize]
     * @param codes [out, in / groupSize, codebookCount], each 0 to {@code 2^bits - 1}
     * @param codebooks [codebookCount, 2^bits, groupSize]
     * @param scales [out]
     */
    public static AdditiveCodebook of(Shape shape, int[] codes, float[] codebooks, float[] scales) {
        int count = shape.dimension(0);
        int entries = shape.dimension(1);
        int codeBytes = entries <= 256 ? Byte.BYTES : Short.BYTES;
        MemorySegment packed = MemorySegment.ofArray(new byte[Math.multiplyExact(codes.length, codeBytes)]);
        for (int i = 0; i < codes.length; i++) {
            require(codes[i] >= 0 && codes[i] < entries, "code: got %d, want 0 to %d", codes[i], entries - 1);
            if (codeBytes == Byte.BYTES) {
                packed.set(ValueLayout.JAVA_BYTE, i, (byte) codes[i]);
            } else {
                packed.set(SHORT, (long) i * Short.BYTES, (short) codes[i]);
            }
        }
        int in = codes.length / (scales.length * count) * shape.dimension(2);
        return new AdditiveCodebook(
                scales.length, in, packed, halves(shape, codebooks), halves(Shape.of(scales.length), scales));
    }

    private static Tensor halves(Shape shape, float[] values) {
        MemorySegment data = MemorySegment.ofArray(new byte[Math.multiplyExact(values.length, Short.BYTES)]);
        for (int i = 0; i < values.length; i++) {
            DType.F16.set(data, i, values[i]);
        }
        return new Tensor(DType.F16, shape, data);
    }

    /** Codebooks whose vectors are added up. */
    public int codebookCount() {
        return codebooks.shape().dimension(0);
    }

    /** Vectors in a codebook. */
    public int entries() {
        return codebooks.shape().dimension(1);
    }

    /** Bits of a code: {@code log2} of the entries. */
    public int bits() {
        return Integer.numberOfTrailingZeros(entries());
    }

    /** Consecutive weights that a vector stands for. */
    public int groupSize() {
        return codebooks.shape().dimension(2);
    }

    /** Groups in one row. */
    public int groupsPerRow() {
        return in / groupSize();
    }

    /** Bytes of a stored code. */
    public int codeBytes() {
        return entries() <= 256 ? Byte.BYTES : Short.BYTES;
    }

    /** The entry of codebook {@code m} that a group adds. */
    public int code(int row, int group, int m) {
        long at = ((long) row * groupsPerRow() + group) * codebookCount() + m;
        int stored =
                codeBytes() == Byte.BYTES ? codes.get(ValueLayout.JAVA_BYTE, at) : codes.get(SHORT, at * Short.BYTES);
        return stored & (entries() - 1);
    }

    public float scale(int row) {
        return scales.get(row);
    }

    @Override
    public long storedBytes() {
        return codes.byteSize() + codebooks.data().byteSize() + scales.data().byteSize();
    }

    /** Codes at their own width, codebooks and scales. */
    @Override
    public long neededBits() {
        long codeCount = codes.byteSize() / codeBytes();
        return codeCount * bits() + (codebooks.data().byteSize() + scales.data().byteSize()) * Byte.SIZE;
    }

    @Override
    public void decodeRow(int row, float[] values, int offset) {
        int groupSize = groupSize();
        for (int group = 0; group < groupsPerRow(); group++) {
            for (int k = 0; k < groupSize; k++) {
                float sum = 0;
                for (int m = 0; m < codebookCount(); m++) {
                    sum += codebooks.get(((long) m * entries() + code(row, group, m)) * groupSize + k);
                }
                values[offset + group * groupSize + k] = scale(row) * sum;
            }
        }
    }
}
