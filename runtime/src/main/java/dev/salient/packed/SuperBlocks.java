package dev.salient.packed;

import static dev.salient.tensor.Preconditions.require;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.salient.tensor.DType;
import java.lang.foreign.MemorySegment;

/**
 * A weight in one of GGUF's layouts whose groups share a block.
 *
 * @param data [out, in / blockSize] blocks of {@code format.byteCount()} bytes
 */
public record SuperBlocks(int out, int in, SuperFormat format, MemorySegment data) implements PackedWeight {
    /** What the codes of IQ4_NL and IQ4_XS stand for. */
    private static final byte[] LEVELS = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

    public SuperBlocks {
        require(
                in % format.blockSize() == 0,
                "%s: %d input channels are no multiple of %d",
                format,
                in,
                format.blockSize());
        long want = Math.multiplyExact((long) out, (long) (in / format.blockSize()) * format.byteCount());
        require(data.byteSize() == want, "%s [%d, %d]: got %d bytes, want %d", format, out, in, data.byteSize(), want);
        data = data.asReadOnly();
    }

    /** One row taken apart: {@code value = scale_g (code - zero) - minimum_g}. */
    @SuppressWarnings("ArrayRecordComponent") // buffers, never compared
    public record Row(byte[] codes, float[] scales, float[] minima) {}

    /** Room for a row. */
    public Row newRow() {
        int groups = in / format.groupSize();
        return new Row(new byte[in], new float[groups], new float[groups]);
    }

    /** Takes a row apart. Codes of IQ4_NL and IQ4_XS are levels; minima are 0 where the format has none. */
    public void readRow(int row, Row into) {
        int blocks = in / format.blockSize();
        int groups = format.blockSize() / format.groupSize();
        for (int b = 0; b < blocks; b++) {
            long at = ((long) row * blocks + b) * format.byteCount();
            int to = b * format.blockSize();
            switch (format) {
                case Q2_K -> twoBits(at, into, to, b * groups);
                case Q3_K -> threeBits(at, into, to, b * groups);
                case Q4_K -> fourBits(at, into, to, b * groups, 16);
                case Q5_K -> {
                    fourBits(at, into, to, b * groups, 48);
                    for (int i = 0; i < 256; i++) {
                        into.codes[to + i] |= (byte) (((octet(at + 16 + i % 32) >> (i / 32)) & 1) << 4);
                    }
                }
                case Q6_K -> sixBits(at, into, to, b * groups);
                case IQ4_NL -> {
                    into.scales[b] = half(at);
                    levels(at + 2, into, to);
                }
                case IQ4_XS -> {
                    for (int g = 0; g < groups; g++) {
                        int low = octet(at + 4 + g / 2) >> (4 * (g % 2)) & 0xF;
                        int high = octet(at + 2 + g / 4) >> (2 * (g % 4)) & 3;
                        into.scales[b * groups + g] = half(at) * ((low | high << 4) - 32);
                        levels(at + 8 + 16L * g, into, to + 32 * g);
                    }
                }
            }
        }
    }

    /** 16 bytes: the low halves are codes 0 to 15, the high ones 16 to 31. */
    private void levels(long at, Row into, int to) {
        for (int i = 0; i < 16; i++) {
            int pair = octet(at + i);
            into.codes[to + i] = LEVELS[pair & 0xF];
            into.codes[to + 16 + i] = LEVELS[pair >> 4];
        }
    }

    /** Four codes to a byte, 32 weights apart, in each half of the block. */
    private int twoBitCode(long at, int i) {
        int place = i / 128 * 32 + i % 32;
        return (octet(at + place) >> (i % 128 / 32 * 2)) & 3;
    }

    private void twoBits(long at, Row into, int to, int group) {
        float d = half(at + 80);
        float least = half(at + 82);
        for (int g = 0; g < 16; g++) {
            into.scales[group + g] = d * (octet(at + g) & 0xF);
            into.minima[group + g] = least * (octet(at + g) >> 4);
        }
        for (int i = 0; i < 256; i++) {
            into.codes[to + i] = (byte) twoBitCode(at + 16, i);
        }
    }

    private void threeBits(long at, Row into, int to, int group) {
        float d = half(at + 108);
        for (int g = 0; g < 16; g++) {
            int low = g < 8 ? octet(at + 96 + g) & 0xF : octet(at + 96 + g - 8) >> 4;
            int high = (octet(at + 104 + g % 4) >> (g / 4 * 2)) & 3;
            into.scales[group + g] = d * ((low | high << 4) - 32);
        }
        for (int i = 0; i < 256; i++) {
            int high = (octet(at + i % 32) >> (i / 32)) & 1;
            into.codes[to + i] = (byte) (twoBitCode(at + 32, i) | high << 2);
        }
    }

    private void fourBits(long at, Row into, int to, int group, int codesAt) {
        float d = half(at);
        float least = half(at + 2);
        for (int g = 0; g < 8; g++) {
            int scale;
            int minimum;
            if (g < 4) {
                scale = octet(at + 4 + g) & 63;
                minimum = octet(at + 8 + g) & 63;
            } else {
                scale = (octet(at + 8 + g) & 0xF) | octet(at + g) >> 6 << 4;
                minimum = octet(at + 8 + g) >> 4 | octet(at + 4 + g) >> 6 << 4;
            }
            into.scales[group + g] = d * scale;
            into.minima[group + g] = least * minimum;
        }
        for (int i = 0; i < 256; i++) {
            int place = codesAt + i / 64 * 32 + i % 32;
            int pair = octet(at + place);
            into.codes[to + i] = (byte) (i % 64 < 32 ? pair & 0xF : pair >> 4);
        }
    }

    private void sixBits(long at, Row into, int to, int group) {
        float d = half(at + 208);
        for (int g = 0; g < 16; g++) {
            into.scales[group + g] = d * data.get(JAVA_BYTE, at + 192 + g);
        }
        for (int i = 0; i < 256; i++) {
            int part = i % 128 / 32;
            int pairAt = i / 128 * 64 + part % 2 * 32 + i % 32;
            int highAt = 128 + i / 128 * 32 + i % 32;
            int pair = octet(at + pairAt);
            int low = part < 2 ? pair & 0xF : pair >> 4;
            int high = (octet(at + highAt) >> (2 * part)) & 3;
            into.codes[to + i] = (byte) (low | high << 4);
        }
    }

    private int octet(long at) {
        return data.get(JAVA_BYTE, at) & 0xFF;
    }

    private float half(long at) {
        return DType.F16.get(data.asSlice(at, Short.BYTES), 0);
    }

    @Override
    public long storedBytes() {
        return data.byteSize();
    }

    @Override
    public void decodeRow(int row, float[] values, int offset) {
        Row apart = newRow();
        readRow(row, apart);
        for (int i = 0; i < in; i++) {
            int g = i / format.groupSize();
            values[offset + i] = apart.scales[g] * (apart.codes[i] - format.zero()) - apart.minima[g];
        }
    }
}
