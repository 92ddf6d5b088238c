package dev.salient.fakequant;

import dev.salient.fakequant.FakeQuant.Weighting;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** What the gradients of every grid have in common, in tensor operations. */
final class TensorGradients {
    private TensorGradients() {}

    /**
     * The gradient by the values with that of the preservation term.
     *
     * @param byValues [out, in]
     * @param preservation {@code sum F (values - original)^2}, without lambda
     */
    record Total(Tensor byValues, double preservation) {}

    /**
     * Adds {@code 2 lambda F (values - original)} where there is a preservation term.
     *
     * @param gradient [out, in], or null for none
     * @param values what the weight is quantized to, of as many numbers; asked for where the term needs it
     */
    static Total total(
            ClippedGroups weight,
            @Nullable Tensor gradient,
            @Nullable Weighting preservation,
            Supplier<Tensor> values) {
        Tensor original = weight.original();
        Tensor g = gradient == null ? torch.zeros_like(original) : gradient;
        if (preservation == null) {
            return new Total(g, 0);
        }
        Tensor off = values.get().view_as(original).sub(original);
        Tensor weighted = off.mul(preservation.saliency());
        return new Total(
                g.add(weighted.mul(new Scalar(2 * preservation.lambda()))),
                weighted.mul(off).sum().item_double());
    }

    /** Over the weights of each group, [out, groups, group size] to [out, groups]. */
    static Tensor sum(Tensor grouped) {
        return grouped.sum(new long[] {2}, false, new ScalarTypeOptional());
    }

    /**
     * By a logit, where {@code sigmoid(logit) end} has this gradient.
     *
     * @param gradient [out, groups], like the others
     */
    static Tensor byLogit(Tensor gradient, Tensor logit, Tensor end) {
        Tensor share = logit.sigmoid();
        return gradient.mul(end).mul(share).mul(torch.ones_like(share).sub(share));
    }
}
