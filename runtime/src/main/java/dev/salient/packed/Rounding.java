package dev.salient.packed;

import static dev.salient.tensor.Preconditions.require;

import java.lang.foreign.MemorySegment;

/** Rounds values to the nearest level of GGUF's Q8_0 and Q4_0 groups, as llama.cpp does it. */
public final class Rounding {
    private Rounding() {}

    /** Whether a weight is stored as numbers and its rows are whole groups. */
    public static boolean fits(GroupFormat format, PackedWeight weight) {
        return weight instanceof Dense && weight.in() % format.groupSize() == 0;
    }

    /**
     * A whole weight, rounded row by row.
     *
     * @throws IllegalArgumentException where its rows are no whole groups
     */
    public static ScaledGroups of(PackedWeight weight, GroupFormat format) {
        int in = weight.in();
        require(
                in % format.groupSize() == 0,
                "%s: %d input channels are no multiple of %d",
                format,
                in,
                format.groupSize());
        int rowBytes = in / format.groupSize() * format.byteCount();
        byte[] data = new byte[Math.multiplyExact(weight.out(), rowBytes)];
        float[] values = new float[in];
        for (int row = 0; row < weight.out(); row++) {
            weight.decodeRow(row, values, 0);
            row(format, values, data, row * rowBytes);
        }
        return new ScaledGroups(weight.out(), in, format, MemorySegment.ofArray(data));
    }

    /**
     * One row.
     *
     * @param format Q8_0 or Q4_0
     * @param values a multiple of the group size
     * @param target where the row's bytes go, from {@code at}; overwritten
     */
    public static void row(GroupFormat format, float[] values, byte[] target, int at) {
        require(
                format == GroupFormat.Q8_0 || format == GroupFormat.Q4_0,
                "rounding: got %s, want Q8_0 or Q4_0",
                format);
        int size = format.groupSize();
        int to = at;
        for (int first = 0; first < values.length; first += size, to += format.byteCount()) {
            float largest = 0;
            for (int i = first; i < first + size; i++) {
                largest = Math.abs(values[i]) > Math.abs(largest) ? values[i] : largest;
            }
            boolean bytes = format == GroupFormat.Q8_0;
            float scale = bytes ? Math.abs(largest) / 127 : largest / -8;
            float inverse = scale == 0 ? 0 : 1 / scale;
            short half = Float.floatToFloat16(scale);
            target[to] = (byte) half;
            target[to + 1] = (byte) (half >> 8);
            if (bytes) {
                roundToBytes(values, first, inverse, target, to + 2);
            } else {
                roundToNibbles(values, first, inverse, target, to + 2);
            }
        }
    }

    private static void roundToBytes(float[] values, int first, float inverse, byte[] target, int to) {
        for (int i = 0; i < 32; i++) {
            float scaled = values[first + i] * inverse;
            target[to + i] = (byte) (scaled + Math.copySign(0.5, scaled));
        }
    }

    private static void roundToNibbles(float[] values, int first, float inverse, byte[] target, int to) {
        for (int i = 0; i < 16; i++) {
            int low = Math.min(15, (int) (values[first + i] * inverse + 8.5f));
            int high = Math.min(15, (int) (values[first + 16 + i] * inverse + 8.5f));
            target[to + i] = (byte) (low | high << 4);
        }
    }
}
