package dev.salient.fakequant;

import dev.salient.packed.Dense;
import dev.salient.tensor.DType;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * DB-LLM's flexible dual binarization (arXiv 2402.11960, section 3.2): a weight is the sum of two bits, each with a scalar of its group.
 *
 * <pre>
 * Q = a1 B1 + a2 B2,   B1 = [w >= (a1 + a2) / 2],   B2 = [w - a1 B1 <= a2 / 2]
 * a1 = sigmoid(u) max, a2 = sigmoid(l) min;   max = 2 max |w|, min = -max |w|: at logits of 0 the paper's start, a1 = 2 s, a2 = -s
 * dQ/da1 = B1,   dQ/da2 = B2,   dQ/dw = [3/2 a2 <= w <= a1 - a2 / 2]
 * </pre>
 *
 * <p>Differs from the reference in: scalars keep their signs.
 */
public final class DualFakeQuant implements FakeQuant {
    @Override
    public void quantize(ClippedGroups weight) {
        try (TorchScope scope = new TorchScope()) {
            weight.values().detach().copy_(Parts.of(weight).values().view_as(weight.original()));
        }
    }

    @Override
    public Gradients differentiate(ClippedGroups weight, @Nullable Tensor gradient, @Nullable Weighting preservation) {
        try (TorchScope scope = new TorchScope()) {
            Parts parts = Parts.of(weight);
            TensorGradients.Total total = TensorGradients.total(weight, gradient, preservation, parts::values);
            Tensor g = total.byValues();
            Tensor grouped = g.view_as(parts.w);
            Tensor lowest = parts.a2.mul(new Scalar(1.5));
            Tensor highest = parts.a1.sub(parts.a2.mul(new Scalar(0.5)));
            Tensor inside = parts.w.ge(lowest).logical_and(parts.w.le(highest));
            return new Gradients(
                    scope.keep(TensorGradients.byLogit(
                            TensorGradients.sum(grouped.mul(parts.b1)), weight.upper(), weight.max())),
                    scope.keep(TensorGradients.byLogit(
                            TensorGradients.sum(grouped.mul(parts.b2)), weight.lower(), weight.min())),
                    weight.trainsWeight() ? scope.keep(g.mul(inside.view_as(g))) : null,
                    total.preservation());
        }
    }

    /** The values as they are stored: no form of ours holds two scalars a group, so plain fp16. */
    static Dense stored(ClippedGroups weight) {
        try (TorchScope scope = new TorchScope()) {
            Tensor values = Parts.of(weight).values().view_as(weight.original());
            return new Dense(TorchDevice.stored(values.contiguous(), DType.F16));
        }
    }

    /**
     * The formula's quantities.
     *
     * @param w [out, groups, group size], like the bits
     * @param a1 [out, groups, 1], as is a2
     */
    private record Parts(Tensor w, Tensor a1, Tensor a2, Tensor b1, Tensor b2) {
        static Parts of(ClippedGroups weight) {
            Tensor a1 = weight.upper().sigmoid().mul(weight.max()).unsqueeze(2);
            Tensor a2 = weight.lower().sigmoid().mul(weight.min()).unsqueeze(2);
            Tensor w = weight.latent().view(a1.size(0), a1.size(1), weight.groupSize());
            Tensor b1 = w.ge(a1.add(a2).mul(new Scalar(0.5))).to(torch.ScalarType.Float);
            Tensor b2 = w.sub(b1.mul(a1)).le(a2.mul(new Scalar(0.5))).to(torch.ScalarType.Float);
            return new Parts(w, a1, a2, b1, b2);
        }

        Tensor values() {
            return a1.mul(b1).add(a2.mul(b2));
        }
    }
}
