package dev.salient.fakequant;

import dev.salient.method.Grid;
import dev.salient.torch.TorchScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** Fake quantization in tensor operations: for any device, and the definition that the fused pass is held to. */
public final class TensorFakeQuant implements FakeQuant {
    @Override
    public void quantize(ClippedGroups weight) {
        try (TorchScope scope = new TorchScope()) {
            Parts parts = Parts.of(weight);
            weight.values().detach().copy_(parts.values().view_as(weight.original()));
        }
    }

    @Override
    public Gradients differentiate(ClippedGroups weight, @Nullable Tensor gradient, @Nullable Weighting preservation) {
        try (TorchScope scope = new TorchScope()) {
            Parts parts = Parts.of(weight);
            TensorGradients.Total total = TensorGradients.total(weight, gradient, preservation, parts::values);
            Tensor g = total.byValues();
            Tensor inside = parts.rounded.eq(parts.level);
            Tensor slope = parts.level;
            if (weight.grid() instanceof Grid.Binary) {
                inside = parts.ratio.abs().le(new Scalar(2.0));
            } else {
                slope = parts.level.sub(parts.ratio.mul(inside));
            }
            Tensor toScale = TensorGradients.sum(g.view_as(slope).mul(slope))
                    .mul(parts.free.squeeze(2))
                    .div(new Scalar(weight.largestCode()));
            Tensor upper = TensorGradients.byLogit(toScale, weight.upper(), weight.max());
            Tensor lower = TensorGradients.byLogit(toScale, weight.lower(), weight.min())
                    .neg();
            Tensor own = weight.trainsWeight() ? scope.keep(g.mul(inside.view_as(g))) : null;
            return new Gradients(scope.keep(upper), scope.keep(lower), own, total.preservation());
        }
    }

    /**
     * The formula's quantities, group by group.
     *
     * @param ratio w / s, [out, groups, groupSize]
     * @param rounded the nearest integer
     * @param level within the grid: code - z
     * @param scale [out, groups, 1]
     * @param free 1 where the scale is within its bounds, else 0
     */
    private record Parts(Tensor ratio, Tensor rounded, Tensor level, Tensor scale, Tensor free) {
        Tensor values() {
            return level.mul(scale);
        }

        static Parts of(ClippedGroups weight) {
            int n = weight.largestCode();
            Tensor hi = weight.upper().sigmoid().mul(weight.max()).unsqueeze(2);
            Tensor lo = weight.lower().sigmoid().mul(weight.min()).unsqueeze(2);
            Tensor unclamped = hi.sub(lo).div(new Scalar(n));
            Tensor scale = clamp(unclamped, ClippedGroups.SMALLEST_SCALE, ClippedGroups.LARGEST_SCALE);
            Tensor zero = switch (weight.grid()) {
                case Grid.Signed2 signed ->
                    torch.ones_like(hi).add(hi.lt(lo.neg()).to(torch.ScalarType.Float));
                case Grid.Signed signed ->
                    hi.lt(lo.neg()).to(torch.ScalarType.Float).add(new Scalar(signed.longSide() - 1.0));
                case Grid.Ternary ternary -> torch.ones_like(hi);
                case Grid.DualBinary dual -> throw new IllegalArgumentException("two scalars: got one scale a group");
                case Grid.Binary binary -> torch.ones_like(hi);
                case Grid.Q2K blocks -> throw new IllegalArgumentException("minima: got one scale a group");
                case Grid.Affine affine -> clamp(lo.neg().div(scale), -1e4, 1e4).round();
                case Grid.BinaryMos mixture ->
                    throw new IllegalArgumentException("grid: got a mixture of scales, want groups with a scale");
                case Grid.Codebooks codebooks ->
                    throw new IllegalArgumentException("grid: got codebooks, want numbers with a scale");
            };
            Tensor grouped = weight.latent().view(hi.size(0), hi.size(1), weight.groupSize());
            Tensor ratio = grouped.div(scale);
            Tensor rounded = weight.grid() instanceof Grid.Binary
                    ? grouped.ge(new Scalar(0.0))
                            .to(torch.ScalarType.Float)
                            .mul(new Scalar(2.0))
                            .sub(new Scalar(1.0))
                    : ratio.round();
            Tensor level = rounded.clamp(
                    new TensorOptional(zero.neg()),
                    new TensorOptional(zero.neg().add(new Scalar(n))));
            return new Parts(ratio, rounded, level, scale, unclamped.eq(scale).to(torch.ScalarType.Float));
        }

        private static Tensor clamp(Tensor x, double bottom, double top) {
            return x.clamp(new ScalarOptional(new Scalar(bottom)), new ScalarOptional(new Scalar(top)));
        }
    }
}
