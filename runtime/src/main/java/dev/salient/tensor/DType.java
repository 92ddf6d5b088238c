package dev.salient.tensor;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** How one real number is stored: always little-endian, at any alignment. */
public enum DType {
    F32(4),
    F16(2),
    BF16(2);

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);

    private final int byteCount;

    DType(int byteCount) {
        this.byteCount = byteCount;
    }

    /** Bytes of one element. */
    public int byteCount() {
        return byteCount;
    }

    /** The element at {@code index}, widened without loss. */
    public float get(MemorySegment data, long index) {
        return switch (this) {
            case F32 -> data.get(FLOAT, index * Float.BYTES);
            case F16 -> Float.float16ToFloat(data.get(SHORT, index * Short.BYTES));
            case BF16 -> Float.intBitsToFloat(data.get(SHORT, index * Short.BYTES) << 16);
        };
    }

    /** Stores {@code value} at {@code index}, rounded to the nearest, ties to even. */
    public void set(MemorySegment data, long index, float value) {
        switch (this) {
            case F32 -> data.set(FLOAT, index * Float.BYTES, value);
            case F16 -> data.set(SHORT, index * Short.BYTES, Float.floatToFloat16(value));
            case BF16 -> data.set(SHORT, index * Short.BYTES, toBfloat16(value));
        }
    }

    private static short toBfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) ((bits >>> 16) | 0x40);
        }
        return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
    }
}
