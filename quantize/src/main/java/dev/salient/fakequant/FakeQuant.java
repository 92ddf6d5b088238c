package dev.salient.fakequant;

import dev.salient.method.Grid;
import dev.salient.torch.TorchDevice;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/** Values of a clipped weight and, backwards, gradients of its clipping. */
public interface FakeQuant {
    /** The fastest for groups of a grid on a device. */
    static FakeQuant of(Grid grid, TorchDevice device) {
        if (grid instanceof Grid.DualBinary) {
            return new DualFakeQuant();
        }
        if (grid instanceof Grid.Q2K) {
            return new BlockFakeQuant();
        }
        return device.isCpu() ? new FusedFakeQuant() : new TensorFakeQuant();
    }

    /** Overwrites {@code weight.values()} with the quantized values under the present clipping. */
    void quantize(ClippedGroups weight);

    /**
     * Carries the gradient of the values to the clipping logits, and to the weight where it is trained; the codes' rounding is
     * straight-through.
     *
     * <p>With a preservation term, {@code 2 lambda F (values - original)} is added to the gradient first.
     *
     * @param gradient [out, in], of the loss by the values, or null where only the preservation term counts
     * @param preservation the term, or null
     */
    Gradients differentiate(ClippedGroups weight, @Nullable Tensor gradient, @Nullable Weighting preservation);

    /**
     * The preservation term {@code lambda sum F (values - original)^2} of one weight.
     *
     * @param saliency F, [out, in]
     */
    record Weighting(Tensor saliency, double lambda) {}

    /**
     * What a step needs to know of one weight.
     *
     * @param upper [out, in / groupSize]
     * @param lower [out, in / groupSize]
     * @param weight [out, in], 0 where a code is clamped; null where the weight is not trained
     * @param preservation {@code sum F (values - original)^2}, without lambda; 0 where there is no term
     */
    record Gradients(Tensor upper, Tensor lower, @Nullable Tensor weight, double preservation) {}
}
