package dev.salient.format.gguf;

import dev.salient.format.FormatException;
import dev.salient.packed.Dense;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaledGroups;
import dev.salient.packed.SuperBlocks;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * A tensor as a GGUF file holds it.
 *
 * @param place file and name, for messages
 * @param shape row-major, outermost first: the reverse of what the file says
 * @param data rows of whole groups
 */
record GgufTensor(String place, GgmlType type, Shape shape, MemorySegment data) {

    void expectShape(int... dimensions) throws FormatException {
        if (!shape.equals(Shape.of(dimensions))) {
            throw new FormatException("%s: got %s, want %s", place, shape, Shape.of(dimensions));
        }
    }

    /** This tensor as a vector of finite numbers. */
    Tensor expectVector(int length) throws FormatException {
        expectShape(length);
        if (type.dtype() == null) {
            throw new FormatException("%s: got type %s, want F32, F16 or BF16", place, type);
        }
        Tensor tensor = new Tensor(type.dtype(), shape, data);
        for (int i = 0; i < length; i++) {
            if (!Float.isFinite(tensor.get(i))) {
                throw new FormatException("%s: got %s at %d, want a finite number", place, tensor.get(i), i);
            }
        }
        return tensor;
    }

    /** This tensor as a weight. */
    PackedWeight expectMatrix(int out, int in) throws FormatException {
        expectShape(out, in);
        return weight(data);
    }

    /** Some of a matrix's rows. */
    GgufTensor rows(int first, int count) {
        long rowBytes = data.byteSize() / shape.dimension(0);
        MemorySegment own = data.asSlice(first * rowBytes, count * rowBytes);
        return new GgufTensor(place, type, Shape.of(count, shape.dimension(1)), own);
    }

    /** A weight of this tensor's type and shape over other data. */
    PackedWeight weight(MemorySegment rows) {
        if (type.dtype() != null) {
            return new Dense(new Tensor(type.dtype(), shape, rows));
        }
        if (type.blocks() != null) {
            return new SuperBlocks(shape.dimension(0), shape.dimension(1), type.blocks(), rows);
        }
        return new ScaledGroups(shape.dimension(0), shape.dimension(1), Objects.requireNonNull(type.groups()), rows);
    }
}
