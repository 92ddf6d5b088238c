package dev.salient.fakequant;

import dev.salient.method.Grid;
import dev.salient.torch.TorchDevice;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/** The clipping of each group, the same share of both ends, that leaves the least squared error. */
final class ClippingSearch {
    /** Shares of the range that are tried: 1, 0.98, ... */
    private static final int STEPS = 40;

    private static final float STEP = 0.02f;

    private ClippingSearch() {}

    /** Overwrites logits, one for each group, with that of the best share. */
    static void fill(float[] logits, Tensor original, Grid grid, int groupSize) {
        float[] weights = new float[Math.toIntExact(original.numel())];
        try (var cpu = original.cpu()) {
            MemorySegment.copy(TorchDevice.memory(cpu), ValueLayout.JAVA_FLOAT, 0, weights, 0, weights.length);
        }
        IntStream.range(0, logits.length).parallel().forEach(group -> {
            float share = grid instanceof Grid.DualBinary
                    ? best(weights, group * groupSize, groupSize, grid) / 2 // its scalars can grow to twice their start
                    : best(weights, group * groupSize, groupSize, grid);
            float inside = Math.min(share, grid.isSymmetric() ? 0.9999f : 0.995f); // the logit of 1 would be infinite
            logits[group] = (float) Math.log(inside / (1 - inside));
        });
    }

    static float best(float[] weights, int from, int groupSize, Grid grid) {
        if (grid.isSymmetric()) {
            return SymmetricFit.share(weights, from, groupSize, grid);
        }
        GroupRange range = GroupRange.of(weights, from, groupSize, grid);
        int largest = grid.largestCode();
        float best = 1;
        double least = Double.POSITIVE_INFINITY;
        for (int step = 0; step < STEPS; step++) {
            float share = 1 - step * STEP;
            float scale = ClippedGroups.scale(share * range.max(), share * range.min(), largest);
            float zero = ClippedGroups.zero(grid, share * range.max(), share * range.min(), scale);
            double error = grid instanceof Grid.Q2K
                    ? BlockFakeQuant.squaredError(weights, from, groupSize, scale, zero)
                    : squaredError(weights, from, groupSize, scale, zero, largest);
            if (error < least) {
                least = error;
                best = share;
            }
        }
        return best;
    }

    private static double squaredError(float[] weights, int from, int groupSize, float scale, float zero, int largest) {
        float error = 0;
        for (int i = from; i < from + groupSize; i++) {
            float level = (float) Math.rint(Math.max(-zero, Math.min(largest - zero, weights[i] / scale)));
            float difference = scale * level - weights[i];
            error += difference * difference;
        }
        return error;
    }
}
