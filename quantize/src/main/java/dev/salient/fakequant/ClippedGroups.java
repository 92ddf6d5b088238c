package dev.salient.fakequant;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.GroupAffine.Levels;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.SuperBlocks;
import dev.salient.packed.SuperFormat;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * A weight in groups, each with two clipping logits that are trained (OmniQuant's learnable weight clipping).
 *
 * <p>Of a group with largest weight {@code max} and smallest {@code min}: {@code hi = sigmoid(u) max},
 * {@code lo = sigmoid(l) min}, {@code s = (hi - lo) / n} with {@code n = 2^bits - 1}, {@code z = round(-lo / s)}, and for
 * the signed grids {@code z = 2^(bits - 1) - 1 if hi >= -lo, else 2^(bits - 1)}. The values are {@code s (clamp(round(w / s) + z, 0, n) - z)}.
 *
 * <p>The range of signed groups of 4 and 8 bits is as wide as their levels: {@code min = -max (h - 1) / h} with {@code h = 2^(bits - 1)}, or
 * {@code max} so from {@code min} where that reaches farther.
 *
 * <p>Ternary and binary groups have a symmetric range, {@code max = -min = max |w|}, {@code n = 2} and {@code z = 1}; a binary group's
 * values are {@code s sign(w)}, with {@code sign(0) = 1}. Its s has no say in the codes, so {@code d value / d s = sign(w)}, and a
 * weight gets its value's gradient while {@code |w| <= 2 s}: half a step beyond the levels, as in the other grids.
 *
 * @param original [out, in], which the ranges are taken of
 * @param latent w, [out, in]: the original itself, or a copy of it that is trained along
 * @param max [out, in / groupSize], 0 or more
 * @param min [out, in / groupSize], 0 or less
 * @param upper u, [out, in / groupSize]
 * @param lower l, [out, in / groupSize]
 * @param values [out, in], overwritten by {@link FakeQuant#quantize}; a leaf that collects gradients
 */
public record ClippedGroups(
        Grid grid,
        int groupSize,
        Tensor original,
        Tensor latent,
        Tensor max,
        Tensor min,
        Tensor upper,
        Tensor lower,
        Tensor values) {
    /** Scales stay within these bounds. */
    static final float SMALLEST_SCALE = 1e-5f;

    static final float LARGEST_SCALE = 1e4f;

    /** How far, in steps of the grid, a weight may lie from its code: a little less than where the next code begins. */
    private static final float REACH = 0.49f;

    /** The logit at which the paper starts: sigmoid(4) = 0.982. */
    private static final float START_LOGIT = 4;

    /** Groups of this weight, [out, in], with the clipping where the method starts it. */
    public static ClippedGroups of(Tensor original, Grid grid, Start start, TorchDevice device) {
        try (TorchScope scope = new TorchScope()) {
            long out = original.size(0);
            int groupSize = grid.groupSizeFor(Math.toIntExact(original.size(1)));
            long groups = original.size(1) / groupSize;
            Tensor grouped = original.view(out, groups, groupSize);
            // zero stays in the range, so that the zero point of a group of one sign is a code too
            ScalarOptional none = new ScalarOptional();
            ScalarOptional nought = new ScalarOptional(new Scalar(0.0));
            boolean signed = !grid.isSymmetric() && !(grid instanceof Grid.DualBinary);
            Tensor largest = grouped.abs().amax(new long[] {2}, false);
            Tensor highest = signed ? grouped.amax(new long[] {2}, false).clamp(nought, none) : largest;
            Tensor lowest = signed ? grouped.amin(new long[] {2}, false).clamp(none, nought) : largest.neg();
            if (grid instanceof Grid.Signed levels) {
                Scalar less = new Scalar(levels.shortSide());
                Tensor up = highest.ge(lowest.neg());
                lowest = torch.where(up, highest.mul(less).neg(), lowest);
                highest = torch.where(up, highest, lowest.mul(less).neg());
            }
            Tensor max = scope.keep(grid instanceof Grid.DualBinary ? highest.mul(new Scalar(2.0)) : highest);
            Tensor min = scope.keep(lowest);
            float[] logits = new float[Math.toIntExact(out * groups)];
            switch (start) {
                case RANGE -> java.util.Arrays.fill(logits, grid instanceof Grid.DualBinary ? 0 : START_LOGIT);
                case SQUARED_ERROR -> ClippingSearch.fill(logits, original, grid, groupSize);
            }
            Tensor upper = scope.keep(device.floats(logits, out, groups));
            Tensor lower = scope.keep(device.floats(logits, out, groups));
            Tensor values = scope.keep(original.clone().requires_grad_(true));
            return new ClippedGroups(grid, groupSize, original, original, max, min, upper, lower, values);
        }
    }

    /**
     * Groups of a weight as it is stored, which is trained along: codes and scales start as they are, and within the
     * reach of its code each weight starts as near to what it should be as it can.
     *
     * @param stored GroupAffine, or Q2_K, whose scales and minima start within a rounding of what they are
     * @param original [out, in]
     * @param ideal what the weight should be: the original, less what an adapter adds; [out, in], overwritten
     */
    public static ClippedGroups ofStored(PackedWeight stored, Tensor original, float[] ideal, TorchDevice device) {
        return switch (stored) {
            case GroupAffine affine -> ofStored(affine, original, ideal, device);
            case SuperBlocks blocks
            when blocks.format() == SuperFormat.Q2_K -> ofStored(blocks, original, ideal, device);
            default ->
                throw new IllegalArgumentException("weight: got %s, want groups with a scale or Q2_K"
                        .formatted(stored.getClass().getSimpleName()));
        };
    }

    private static ClippedGroups ofStored(SuperBlocks stored, Tensor original, float[] ideal, TorchDevice device) {
        Grid grid = new Grid.Q2K();
        int size = grid.groupSize();
        float[] max = new float[stored.out() * (stored.in() / size)];
        float[] min = new float[max.length];
        SuperBlocks.Row apart = stored.newRow();
        for (int row = 0; row < stored.out(); row++) {
            stored.readRow(row, apart);
            for (int g = 0; g < stored.in() / size; g++) {
                float scale = apart.scales()[g];
                float minimum = apart.minima()[g];
                int group = row * (stored.in() / size) + g;
                max[group] = 2 * (grid.largestCode() * scale - minimum); // half of it is the range, at sigmoid(0)
                min[group] = -2 * minimum;
                for (int i = g * size; i < (g + 1) * size && scale > 0; i++) {
                    int at = row * stored.in() + i;
                    int code = apart.codes()[i];
                    ideal[at] = scale * nearest((ideal[at] + minimum) / scale, code, Levels.ALL) - minimum;
                }
            }
        }
        return ofStored(grid, original, ideal, new Ends(max, min), device);
    }

    private static ClippedGroups ofStored(GroupAffine stored, Tensor original, float[] ideal, TorchDevice device) {
        int out = stored.out();
        int in = stored.in();
        int size = stored.groupSize();
        Levels levels = stored.levels();
        int most = (1 << stored.bits()) - 1;
        int largest = levels == Levels.ALL ? most : 2;
        float[] max = new float[out * stored.groupsPerRow()];
        float[] min = new float[max.length];
        int half = 1 << (stored.bits() - 1);
        boolean signed = true;
        for (int row = 0; row < out; row++) {
            for (int g = 0; g < stored.groupsPerRow(); g++) {
                float signedScale = stored.scale(row, g);
                boolean mirrored = signedScale < 0;
                float scale = Math.clamp(Math.abs(signedScale), SMALLEST_SCALE, LARGEST_SCALE);
                int zero = mirrored ? most - stored.zero(row, g) : stored.zero(row, g);
                signed &= zero == half - 1 || zero == half;
                int group = row * stored.groupsPerRow() + g;
                max[group] = 2 * scale * (largest - zero); // half of it is the range, at sigmoid(0)
                min[group] = -2 * scale * zero;
                for (int i = g * size; i < (g + 1) * size; i++) {
                    int level = (mirrored ? most - stored.code(row, i) : stored.code(row, i)) - zero;
                    int at = row * in + i;
                    ideal[at] = scale * nearest(ideal[at] / scale, level, levels);
                }
            }
        }
        Grid grid = switch (levels) {
            case SIGNS -> new Grid.Binary(size);
            case TERNARY -> new Grid.Ternary(size);
            case ALL -> signed ? signed(stored.bits(), size) : new Grid.Affine(stored.bits(), size);
        };
        return ofStored(grid, original, ideal, new Ends(max, min), device);
    }

    private static Grid signed(int bits, int size) {
        return switch (bits) {
            case 2 -> new Grid.Signed2(size);
            case 4, 8 -> new Grid.Signed(bits, size);
            default -> new Grid.Affine(bits, size);
        };
    }

    /** Twice the ends of each group's range. */
    @SuppressWarnings("ArrayRecordComponent") // two results, never compared
    private record Ends(float[] max, float[] min) {}

    private static ClippedGroups ofStored(Grid grid, Tensor original, float[] ideal, Ends ends, TorchDevice device) {
        try (TorchScope scope = new TorchScope()) {
            long out = original.size(0);
            long[] shape = {out, ends.max.length / out};
            return new ClippedGroups(
                    grid,
                    Math.toIntExact(original.numel() / ends.max.length),
                    original,
                    scope.keep(device.floats(ideal, out, original.size(1))),
                    scope.keep(device.floats(ends.max, shape)),
                    scope.keep(device.floats(ends.min, shape)),
                    scope.keep(device.zeros(shape)),
                    scope.keep(device.zeros(shape)),
                    scope.keep(original.clone().requires_grad_(true)));
        }
    }

    /** What is nearest to an ideal, in steps of the grid, of all that has this level. */
    private static float nearest(float ideal, int level, Levels levels) {
        return levels == Levels.SIGNS
                ? level * Math.clamp(level * ideal, 1 - 2 * REACH, 1 + 2 * REACH)
                : Math.clamp(ideal, level - REACH, level + REACH);
    }

    /** The same groups over a copy of the weight, which is trained along with the clipping. */
    public ClippedGroups withTrainedWeight() {
        return new ClippedGroups(grid, groupSize, original, original.clone(), max, min, upper, lower, values);
    }

    /** Whether the weight that is rounded is trained too. */
    @SuppressWarnings("ReferenceEquality") // a copy with equal numbers is trained, the original is not
    public boolean trainsWeight() {
        return latent != original;
    }

    /** Groups in all rows. */
    int groupCount() {
        return Math.toIntExact(upper.numel());
    }

    /** The largest code, n. */
    int largestCode() {
        return grid.largestCode();
    }

    /** The scale of a group from its clipped range. */
    static float scale(float hi, float lo, int largestCode) {
        return Math.clamp((hi - lo) / largestCode, SMALLEST_SCALE, LARGEST_SCALE);
    }

    /** The zero point of a group from its clipped range and scale; where groups have minima, no whole number. */
    static float zero(Grid grid, float hi, float lo, float scale) {
        return switch (grid) {
            case Grid.Signed2 signed -> hi >= -lo ? 1 : 2;
            case Grid.Signed signed -> hi >= -lo ? signed.longSide() - 1 : signed.longSide();
            case Grid.Ternary ternary -> 1;
            case Grid.DualBinary dual -> 1;
            case Grid.Binary binary -> 1;
            case Grid.Q2K blocks -> -lo / scale;
            case Grid.Affine affine -> (float) Math.rint(Math.clamp(-lo / scale, -1e4f, 1e4f));
            case Grid.BinaryMos mixture ->
                throw new IllegalArgumentException("grid: got a mixture of scales, want groups with a scale");
            case Grid.Codebooks codebooks ->
                throw new IllegalArgumentException("grid: got codebooks, want numbers with a scale");
        };
    }

    /** Checks that a gradient or a saliency is for this weight. */
    void requireSameShape(String what, Tensor tensor) {
        require(
                tensor.dim() == 2 && tensor.size(0) == original.size(0) && tensor.size(1) == original.size(1),
                "%s: got %d elements, want [%d, %d]",
                what,
                tensor.numel(),
                original.size(0),
                original.size(1));
    }
}
