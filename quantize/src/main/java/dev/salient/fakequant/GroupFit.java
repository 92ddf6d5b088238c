package dev.salient.fakequant;

import dev.salient.method.Grid;
import dev.salient.method.Method.Start;

/**
 * The scale and zero point of one group: {@code value = scale (code - zero)}.
 *
 * @param scale rounded to fp16, as it is stored
 * @param zero 0 to the largest code
 */
public record GroupFit(Grid grid, float scale, float zero) {
    /** The fit of {@code size} weights from {@code from} on, clipped as the start says. */
    public static GroupFit of(float[] weights, int from, int size, Grid grid, Start start) {
        GroupRange range = GroupRange.of(weights, from, size, grid);
        float share = start == Start.SQUARED_ERROR ? ClippingSearch.best(weights, from, size, grid) : 1;
        float exact = ClippedGroups.scale(share * range.max(), share * range.min(), grid.largestCode());
        float scale = Float.float16ToFloat(Float.floatToFloat16(exact));
        return new GroupFit(grid, scale, ClippedGroups.zero(grid, share * range.max(), share * range.min(), scale));
    }

    /** The same zero point under another scale. */
    public GroupFit withScale(float other) {
        float bounded = Math.clamp(other, ClippedGroups.SMALLEST_SCALE, ClippedGroups.LARGEST_SCALE);
        return new GroupFit(grid, Float.float16ToFloat(Float.floatToFloat16(bounded)), zero);
    }

    /** The code whose value is nearest. */
    public int code(float weight) {
        if (grid instanceof Grid.Binary) {
            return weight >= 0 ? 2 : 0;
        }
        float largest = grid.largestCode();
        return (int) (Math.rint(Math.clamp(weight / scale, -zero, largest - zero)) + zero);
    }

    public float value(int code) {
        return scale * (code - zero);
    }
}
