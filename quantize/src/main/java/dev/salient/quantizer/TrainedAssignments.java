package dev.salient.quantizer;

import dev.salient.fakequant.GroupCodes;
import dev.salient.fakequant.GroupFit;
import dev.salient.method.Grid;
import dev.salient.packed.GroupAffine;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * One linear whose codes are chosen by training: a logit for each code that a weight could have.
 *
 * <pre>
 * p     = softmax((kappa L + noise) / tau) over the codes c
 * value = s0 exp(t) (sum_c c p_c - zero)
 * dL_c  = g s kappa / tau p_c (c - sum_c c p_c)        dt = sum over the group of g value
 * </pre>
 *
 * <p>L starts at {@code 0.01 (n + 6 a)}, n standard normal, {@code a_c = -(Q - c)^2 / 2} less its mean over c, Q the code of a good
 * rounding.
 */
final class TrainedAssignments {
    private static final double START = 0.01;
    private static final double CERTAINTY = 6;

    private final Grid grid;
    private final GroupAffine rounded;
    /** c, [codes, 1, 1, 1]. */
    private final Tensor codes;
    /** [out, groups, 1]. */
    private final Tensor zeros;
    /** s0, [out, groups, 1]. */
    private final Tensor scales;
    /** t, [out, groups, 1]. */
    final Tensor logs;
    /** L, [codes, out, groups, group size]. */
    final Tensor logits;
    /** What the linear multiplies with, [out, in]: a leaf that collects gradients. */
    final Tensor values;

    /** p of the last {@link #soften}, like L. */
    private @Nullable Tensor shares;

    private double slope;

    /**
     * A linear.
     *
     * @param rounded where training starts
     */
    TrainedAssignments(GroupAffine rounded, Grid grid, TorchDevice device) {
        this.grid = grid;
        this.rounded = rounded;
        int out = rounded.out();
        int groups = rounded.groupsPerRow();
        float[] code = new float[out * rounded.in()];
        float[] scale = new float[out * groups];
        float[] zero = new float[scale.length];
        for (int row = 0; row < out; row++) {
            for (int g = 0; g < groups; g++) {
                scale[row * groups + g] = rounded.scale(row, g);
                zero[row * groups + g] = rounded.zero(row, g);
            }
            for (int i = 0; i < rounded.in(); i++) {
                code[row * rounded.in() + i] = rounded.code(row, i);
            }
        }
        int step = grid instanceof Grid.Binary ? 2 : 1;
        int[] all = IntStream.rangeClosed(0, grid.largestCode() / step)
                .map(k -> k * step)
                .toArray();
        try (TorchScope scope = new TorchScope()) {
            codes = scope.keep(device.longs(all, all.length, 1, 1, 1).to(torch.ScalarType.Float));
            zeros = scope.keep(device.floats(zero, out, groups, 1));
            scales = scope.keep(device.floats(scale, out, groups, 1));
            logs = scope.keep(device.zeros(out, groups, 1));
            values = scope.keep(device.exactValues(rounded).requires_grad_(true));
            Tensor start = device.floats(code, 1, out, groups, rounded.groupSize());
            Tensor nearness = codes.sub(start).square_().mul_(new Scalar(-0.5));
            nearness.sub_(nearness.mean(new long[] {0}, true, new ScalarTypeOptional()));
            Tensor noise = torch.randn_like(nearness);
            logits = scope.keep(noise.add_(nearness, new Scalar(CERTAINTY)).mul_(new Scalar(START)));
        }
    }

    /** Gumbel noise for one step, like the logits. */
    Tensor noise() {
        return torch.empty_like(logits).exponential_().log_().neg_();
    }

    /**
     * Overwrites the values with the mean over the codes.
     *
     * @param noise like the logits; overwritten
     */
    void soften(Tensor noise, double kappa, double tau) {
        try (TorchScope scope = new TorchScope()) {
            forget();
            noise.add_(logits, new Scalar(kappa)).div_(new Scalar(tau));
            Tensor own = scope.release(noise.softmax(0));
            shares = own;
            slope = kappa / tau;
            Tensor level = own.mul(codes).sum(new long[] {0}, false, new ScalarTypeOptional());
            values.detach().copy_(level.sub_(zeros).mul_(present()).view_as(values));
        }
    }

    private Tensor present() {
        return scales.mul(logs.exp());
    }

    /** Gradients of L and t, from what the values have collected; forgets that. */
    List<Tensor> gradients() {
        Tensor own = java.util.Objects.requireNonNull(shares);
        try (TorchScope scope = new TorchScope()) {
            Tensor g = values.grad().view_as(own.select(0, 0));
            Tensor level = own.mul(codes).sum(new long[] {0}, true, new ScalarTypeOptional());
            Tensor s = present();
            Tensor byLogs = g.mul(values.detach().view_as(g)).sum(new long[] {2}, true, new ScalarTypeOptional());
            Tensor byLogits = codes.sub(level).mul_(own).mul_(g.mul(s).mul_(new Scalar(slope)));
            values.mutable_grad().reset();
            return List.of(scope.keep(byLogits), scope.keep(byLogs));
        }
    }

    /** The stored form: each weight's likeliest code, scales rounded to fp16. */
    GroupAffine pack() {
        float[] scale;
        int[] choice;
        try (TorchScope scope = new TorchScope()) {
            scale = TorchDevice.toFloats(present());
            Tensor best = codes.view(-1)
                    .index_select(
                            0,
                            logits.argmax(new org.bytedeco.pytorch.LongOptional(0), false)
                                    .view(-1));
            float[] floats = TorchDevice.toFloats(best);
            choice = new int[floats.length];
            for (int i = 0; i < choice.length; i++) {
                choice[i] = (int) floats[i];
            }
        }
        GroupCodes packed = new GroupCodes(grid, rounded.out(), rounded.in());
        for (int row = 0; row < rounded.out(); row++) {
            for (int g = 0; g < rounded.groupsPerRow(); g++) {
                int group = row * rounded.groupsPerRow() + g;
                packed.setGroup(group, new GroupFit(grid, scale[group], rounded.zero(row, g)));
            }
        }
        for (int i = 0; i < choice.length; i++) {
            packed.setCode(i, choice[i]);
        }
        return packed.pack();
    }

    /** Frees what the last step left. */
    void forget() {
        if (shares != null) {
            shares.close();
            shares = null;
        }
    }
}
