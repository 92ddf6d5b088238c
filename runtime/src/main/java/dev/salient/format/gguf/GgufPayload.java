package dev.salient.format.gguf;

import dev.salient.packed.Dense;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * A tensor that is to be written.
 *
 * @param shape row-major, outermost first: the reverse of what the file says
 * @param source its values, rows in our order
 * @param encoding the form that its rows get
 * @param order where its rows go
 */
record GgufPayload(String name, Shape shape, PackedWeight source, RowEncoding encoding, RowOrder order) {
    /** A vector, always F32: llama.cpp multiplies norms in nothing else. */
    static GgufPayload vector(String name, float[] values) {
        Dense row = Dense.ofFloats(1, values.length, values);
        return new GgufPayload(name, Shape.of(values.length), row, RowEncoding.asStored(name, row), RowOrder.same());
    }

    static GgufPayload matrix(String name, PackedWeight source, RowEncoding encoding, RowOrder order) {
        return new GgufPayload(name, Shape.of(source.out(), source.in()), source, encoding, order);
    }

    /** A matrix in its own type. */
    static GgufPayload matrix(String name, Tensor matrix, RowOrder order) {
        Dense source = new Dense(matrix);
        return matrix(name, source, RowEncoding.asStored(name, source), order);
    }

    GgmlType type() {
        return encoding.type();
    }

    long rowBytes() {
        return type().bytesOf(source.in());
    }

    long byteCount() {
        return Math.multiplyExact(source.out(), rowBytes());
    }

    /**
     * Encodes the row that stands at {@code fileRow} of the file.
     *
     * @param target all bytes of the row; overwritten
     */
    void encode(int fileRow, MemorySegment target) {
        encoding.rows().encode(order.inModel().applyAsInt(fileRow), target);
    }
}
