package dev.salient.quantizer;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.method.Adapters;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.torch.TorchDevice;
import java.util.List;
import java.util.SplittableRandom;
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

    /** An adapter that adds nothing yet, as LoRA starts it: A Kaiming-uniform with a = sqrt(5), B zero. */
    static TrainedAdapter ofNothing(Tensor weight, Adapters adapters, TorchDevice device, SplittableRandom random) {
        int in = Math.toIntExact(weight.size(1));
        double bound = 1 / Math.sqrt(in);
        float[] start = new float[adapters.rank() * in];
        for (int i = 0; i < start.length; i++) {
            start[i] = (float) random.nextDouble(-bound, bound);
        }
        Tensor a = device.floats(start, adapters.rank(), in);
        return new TrainedAdapter(a, device.zeros(weight.size(0), adapters.rank()), adapters.scaling());
    }

    /** An adapter with another scaling that adds the same; what is taken from A and B is shared evenly. */
    TrainedAdapter scaledBy(double other) {
        Scalar factor = new Scalar(Math.sqrt(scaling / other));
        return new TrainedAdapter(a.mul(factor), b.mul(factor), other);
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
