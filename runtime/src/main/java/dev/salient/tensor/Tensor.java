package dev.salient.tensor;

import static dev.salient.tensor.Preconditions.require;

import java.lang.foreign.MemorySegment;

/**
 * Numbers of one type in read-only memory, usually a part of a memory-mapped file.
 *
 * @param shape row-major
 * @param data exactly {@code shape.elementCount() * dtype.byteCount()} bytes
 */
public record Tensor(DType dtype, Shape shape, MemorySegment data) {
    public Tensor {
        long want = Math.multiplyExact(shape.elementCount(), dtype.byteCount());
        require(data.byteSize() == want, "tensor %s %s: got %d bytes, want %d", dtype, shape, data.byteSize(), want);
        data = data.asReadOnly();
    }

    /** A new tensor over a copy of these numbers, fp32. */
    public static Tensor ofFloats(Shape shape, float[] values) {
        return new Tensor(DType.F32, shape, MemorySegment.ofArray(values.clone()));
    }

    public float get(long index) {
        return dtype.get(data, index);
    }

    /** A copy as fp32, row-major. */
    public float[] toFloats() {
        float[] values = new float[Math.toIntExact(shape.elementCount())];
        for (int i = 0; i < values.length; i++) {
            values[i] = dtype.get(data, i);
        }
        return values;
    }
}
