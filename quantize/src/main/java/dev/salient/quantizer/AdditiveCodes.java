package dev.salient.quantizer;

import dev.salient.method.Grid;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.tensor.Shape;

/**
 * Codebooks, codes and scales of one linear in the making.
 *
 * <p>{@code w[o, g * size + k] = scale[o] * sum_m vector[m, code[o, g, m], k]}.
 */
final class AdditiveCodes {
    final Grid.Codebooks grid;
    final int out;
    final int in;
    /** [out, groups, count]. */
    final int[] codes;
    /** [count, entries, size]. */
    final float[] vectors;
    /** [out]. */
    final float[] scales;

    /** All zero. */
    AdditiveCodes(Grid.Codebooks grid, int out, int in) {
        this.grid = grid;
        this.out = out;
        this.in = in;
        int groups = in / grid.groupSizeFor(in);
        codes = new int[Math.multiplyExact(Math.multiplyExact(out, groups), grid.count())];
        vectors = new float[grid.count() * grid.entries() * grid.groupSize()];
        scales = new float[out];
    }

    int groups() {
        return in / grid.groupSize();
    }

    /** Where the code of a group's m-th vector is. */
    int at(int row, int group, int m) {
        return (row * groups() + group) * grid.count() + m;
    }

    /** Where a vector begins. */
    int vector(int m, int code) {
        return (m * grid.entries() + code) * grid.groupSize();
    }

    /** The stored form: codebooks and scales rounded to fp16. */
    AdditiveCodebook pack() {
        return AdditiveCodebook.of(Shape.of(grid.count(), grid.entries(), grid.groupSize()), codes, vectors, scales);
    }
}
