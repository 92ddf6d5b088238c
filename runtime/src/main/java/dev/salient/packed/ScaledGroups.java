package dev.salient.packed;

import static dev.salient.tensor.Preconditions.require;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.salient.tensor.DType;
import java.lang.foreign.MemorySegment;

/**
 * A weight in one of GGUF's group layouts, scale and codes of a group side by side.
 *
 * @param data [out, in / groupSize] groups of {@code format.byteCount()} bytes
 */
public record ScaledGroups(int out, int in, GroupFormat format, MemorySegment data) implements PackedWeight {
    public ScaledGroups {
        int groupSize = format.groupSize();
        require(in % groupSize == 0, "%s: %d input channels are no multiple of %d", format, in, groupSize);
        long want = Math.multiplyExact((long) out, (long) (in / groupSize) * format.byteCount());
        require(data.byteSize() == want, "%s [%d, %d]: got %d bytes, want %d", format, out, in, data.byteSize(), want);
        data = data.asReadOnly();
    }

    @Override
    public long storedBytes() {
        return data.byteSize();
    }

    @Override
    public void decodeRow(int row, float[] values, int offset) {
        int groups = in / format.groupSize();
        for (int g = 0; g < groups; g++) {
            long at = ((long) row * groups + g) * format.byteCount();
            decodeGroup(at, values, offset + g * format.groupSize());
        }
    }

    private void decodeGroup(long at, float[] values, int offset) {
        float d = half(at + format.scaleAt());
        switch (format) {
            case Q8_0 -> {
                for (int i = 0; i < 32; i++) {
                    values[offset + i] = d * data.get(JAVA_BYTE, at + 2 + i);
                }
            }
            case Q4_0 -> {
                for (int i = 0; i < 32; i++) {
                    values[offset + i] = d * (nibble(at + 2, i) - 8);
                }
            }
            case Q4_1 -> {
                float m = half(at + 2);
                for (int i = 0; i < 32; i++) {
                    values[offset + i] = d * nibble(at + 4, i) + m;
                }
            }
            case Q5_0 -> {
                for (int i = 0; i < 32; i++) {
                    values[offset + i] = d * ((nibble(at + 6, i) | (bit(at + 2, i) << 4)) - 16);
                }
            }
            case Q5_1 -> {
                float m = half(at + 2);
                for (int i = 0; i < 32; i++) {
                    values[offset + i] = d * (nibble(at + 8, i) | (bit(at + 4, i) << 4)) + m;
                }
            }
            case Q2_0 -> {
                for (int i = 0; i < 64; i++) {
                    int code = (data.get(JAVA_BYTE, at + 2 + i / 4) >>> (2 * (i % 4))) & 3;
                    values[offset + i] = d * (code - 1);
                }
            }
            case TQ2_0 -> {
                for (int i = 0; i < 256; i++) {
                    int place = i / 128 * 32 + i % 32;
                    int code = (data.get(JAVA_BYTE, at + place) >>> (2 * (i / 32 % 4))) & 3;
                    values[offset + i] = d * (code - 1);
                }
            }
            case TQ1_0 -> {
                for (int i = 0; i < 256; i++) {
                    int place = GroupFormat.ternaryPlace(i);
                    int digit = GroupFormat.ternaryDigit(data.get(JAVA_BYTE, at + place / 5) & 0xFF, place % 5);
                    values[offset + i] = d * (digit - 1);
                }
            }
            case Q1_0 -> {
                for (int i = 0; i < 128; i++) {
                    values[offset + i] = bit(at + 2, i) == 1 ? d : -d;
                }
            }
        }
    }

    private float half(long at) {
        return DType.F16.get(data.asSlice(at, Short.BYTES), 0);
    }

    private int nibble(long at, int i) {
        int packed = data.get(JAVA_BYTE, at + i % 16);
        return i < 16 ? packed & 0xF : (packed >>> 4) & 0xF;
    }

    private int bit(long at, int i) {
        return (data.get(JAVA_BYTE, at + i / 8) >>> (i % 8)) & 1;
    }
}
