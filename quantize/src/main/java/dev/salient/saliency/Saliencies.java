package dev.salient.saliency;

import static dev.salient.tensor.Preconditions.require;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Rules by which a weight matters; each gives F, [out, in], of {@code sum F (W_eff - W)^2}. */
public final class Saliencies {
    private Saliencies() {}

    /** All alike: {@code F = 1}. */
    public static Tensor uniform(Tensor weight) {
        return torch.ones_like(weight);
    }

    /**
     * The diagonal of the Hessian of the linear's squared output error: {@code F[o, i] = mean over tokens of x_i^2}.
     *
     * @param energy mean of x_i^2, [in]
     */
    public static Tensor activation(Tensor weight, Tensor energy) {
        require(energy.numel() == weight.size(1), "energy: got %d, want %d", energy.numel(), weight.size(1));
        return energy.to(torch.ScalarType.Float).view(1, -1).expand_as(weight).contiguous();
    }

    /**
     * Weight times activation, as Wanda prunes by (arXiv 2306.11695): {@code F[o, i] = |W[o, i]| sqrt(mean of x_i^2)}.
     *
     * @param energy mean of x_i^2, [in]
     */
    public static Tensor weightTimesActivation(Tensor weight, Tensor energy) {
        return activation(weight, energy).sqrt().mul(weight.abs());
    }

    /**
     * The mean of another saliency over each group: what a scale sees of it.
     *
     * @param saliency [out, in]
     * @param groupSize divides in
     */
    public static Tensor groupMeans(Tensor saliency, int groupSize) {
        long out = saliency.size(0);
        Tensor grouped = saliency.view(out, -1, groupSize);
        Tensor means = grouped.sum(new long[] {2}, true, new org.bytedeco.pytorch.ScalarTypeOptional())
                .div(new Scalar((double) groupSize));
        return means.expand_as(grouped).reshape(out, -1).contiguous();
    }
}
