package dev.salient.format.safetensors;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.format.FormatException;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * A tensor as a safetensors file holds it.
 *
 * @param place file and name, for messages
 * @param data little-endian, row-major
 */
public record StoredTensor(String place, StoredType type, Shape shape, MemorySegment data) {
    public StoredTensor {
        long want = Math.multiplyExact(shape.elementCount(), type.byteCount());
        require(data.byteSize() == want, "%s: got %d bytes, want %d", place, data.byteSize(), want);
        data = data.asReadOnly();
    }

    /** This tensor as numbers, where it holds real ones of this shape. */
    public Tensor expectReal(int... dimensions) throws FormatException {
        DType dtype = type.dtype();
        if (dtype == null) {
            throw new FormatException("%s: got dtype %s, want F32, F16 or BF16", place, type);
        }
        expectShape(dimensions);
        return new Tensor(dtype, shape, data);
    }

    /** This tensor's bytes, where it holds elements of this type and shape. */
    public MemorySegment expectRaw(StoredType want, int... dimensions) throws FormatException {
        if (type != want) {
            throw new FormatException("%s: got dtype %s, want %s", place, type, want);
        }
        expectShape(dimensions);
        return data;
    }

    private void expectShape(int... dimensions) throws FormatException {
        if (!shape.equals(Shape.of(dimensions))) {
            throw new FormatException("%s: got %s, want %s", place, shape, Shape.of(dimensions));
        }
    }
}
