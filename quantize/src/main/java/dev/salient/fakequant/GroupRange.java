package dev.salient.fakequant;

import dev.salient.method.Grid;

/**
 * The range that a group is clipped from, as its grid has it.
 *
 * @param max 0 or more
 * @param min 0 or less
 */
record GroupRange(float max, float min) {
    /** The range of {@code size} weights from {@code from} on. */
    static GroupRange of(float[] weights, int from, int size, Grid grid) {
        float max = 0;
        float min = 0;
        for (int i = from; i < from + size; i++) {
            max = Math.max(max, weights[i]);
            min = Math.min(min, weights[i]);
        }
        float largest = Math.max(max, -min);
        return switch (grid) {
            case Grid.Ternary ternary -> new GroupRange(largest, -largest);
            case Grid.Binary binary -> new GroupRange(largest, -largest);
            case Grid.DualBinary dual -> new GroupRange(largest, -largest / 2);
            case Grid.Signed signed ->
                max >= -min
                        ? new GroupRange(max, -max * signed.shortSide())
                        : new GroupRange(-min * signed.shortSide(), min);
            default -> new GroupRange(max, min);
        };
    }
}
