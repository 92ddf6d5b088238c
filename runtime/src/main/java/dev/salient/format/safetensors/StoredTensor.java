package dev.salient.format.safetensors;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.format.FormatException;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.Arena;
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

    /** This tensor as numbers, where it holds finite ones of this shape. */
    public Tensor expectFinite(int... dimensions) throws FormatException {
        Tensor numbers = expectReal(dimensions);
        for (long i = 0; i < shape.elementCount(); i++) {
            if (!Float.isFinite(numbers.get(i))) {
                throw new FormatException("%s: got %s at %d, want a finite number", place, numbers.get(i), i);
            }
        }
        return numbers;
    }

    /** This tensor's bytes, where it holds elements of this type and shape. */
    public MemorySegment expectRaw(StoredType want, int... dimensions) throws FormatException {
        if (type != want) {
            throw new FormatException("%s: got dtype %s, want %s", place, type, want);
        }
        expectShape(dimensions);
        return data;
    }

    /**
     * This tensor's numbers as fp16, where it holds finite ones of this shape that fp16 holds: scales of groups.
     *
     * @param arena owns the numbers where they are not fp16 in the file
     */
    public MemorySegment expectScales(Arena arena, int... dimensions) throws FormatException {
        Tensor numbers = expectFinite(dimensions);
        return type == StoredType.F16 ? data : halves(numbers, arena);
    }

    private MemorySegment halves(Tensor wide, Arena arena) throws FormatException {
        MemorySegment halves = arena.allocate(shape.elementCount() * Short.BYTES, Short.BYTES);
        for (long i = 0; i < shape.elementCount(); i++) {
            float value = wide.get(i);
            DType.F16.set(halves, i, value);
            if (DType.F16.get(halves, i) != value) {
                throw new FormatException("%s: got %s at %d, want a number that F16 holds", place, value, i);
            }
        }
        return halves;
    }

    private void expectShape(int... dimensions) throws FormatException {
        if (!shape.equals(Shape.of(dimensions))) {
            throw new FormatException("%s: got %s, want %s", place, shape, Shape.of(dimensions));
        }
    }
}
