package dev.salient.quantizer;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.torch.TorchDevice;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A low-rank adapter under training: what it adds to a weight is {@code scaling B A}.
 *
 * @param a [rank, in]
 * @param b [out, rank]
 */
public record TrainedAdapter(Tensor a, Tensor b, double scaling) {
    /** An adapter as it is stored. */
    public static TrainedAdapter ofStored(LowRank stored, TorchDevice device) {
        require(
                stored.magnitude() == null,
                "adapter: got magnitudes (DoRA), want LoRA, which can be trained on; export --to hf merges the adapter");
        return new TrainedAdapter(device.values(stored.a()), device.values(stored.b()), stored.scaling());
    }

    /** A and B. */
    public List<Tensor> parts() {
        return List.of(a, b);
    }

    /** Adds the adapter to values that no gradient is taken of, [out, in]. */
    public void addTo(Tensor values) {
        values.addmm_(b, a, new Scalar(1.0), new Scalar(scaling));
    }

    /**
     * {@code dA = scaling B^T G, dB = scaling G A^T}.
     *
     * @param gradient G, of the loss by the weight, [out, in]; null where nothing reaches the adapter
     */
    public List<Tensor> gradients(@Nullable Tensor gradient) {
        if (gradient == null) {
            Scalar none = new Scalar(0.0);
            return List.of(a.mul(none), b.mul(none));
        }
        Scalar factor = new Scalar(scaling);
        return List.of(b.t().mm(gradient).mul_(factor), gradient.mm(a.t()).mul_(factor));
    }

    /** The stored form over a weight, in fp16. */
    public LowRank over(PackedWeight base) {
        return new LowRank(base, TorchDevice.stored(a, DType.F16), TorchDevice.stored(b, DType.F16), (float) scaling);
    }
}
