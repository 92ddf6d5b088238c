package dev.salient.tensor;

import static dev.salient.tensor.Preconditions.require;

import java.util.List;
import java.util.stream.IntStream;

/**
 * Row-major dimensions, outermost first: {@code Shape.of(out, in)}.
 *
 * @param dimensions each at least 0; their product fits a long
 */
public record Shape(List<Integer> dimensions) {
    public Shape {
        dimensions = List.copyOf(dimensions);
        long elements = 1;
        for (int dimension : dimensions) {
            require(dimension >= 0, "shape: got %s, want no negative dimension", dimensions);
            elements = Math.multiplyExact(elements, dimension);
        }
    }

    public static Shape of(int... dimensions) {
        return new Shape(IntStream.of(dimensions).boxed().toList());
    }

    public int rank() {
        return dimensions.size();
    }

    public int dimension(int axis) {
        return dimensions.get(axis);
    }

    /** The product of all dimensions; 1 for a scalar. */
    public long elementCount() {
        return dimensions.stream().mapToLong(Integer::longValue).reduce(1, Math::multiplyExact);
    }

    @Override
    public String toString() {
        return dimensions.toString();
    }
}
