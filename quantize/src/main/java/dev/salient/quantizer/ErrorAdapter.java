package dev.salient.quantizer;

import dev.salient.method.Method;
import dev.salient.packed.PackedWeight;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * An adapter that makes up for rounding, without training.
 *
 * <p>LoftQ (arXiv 2310.08659): {@code Q = round(W - B A)} and {@code B A = SVD_r(W - Q)} in turn. LQER (arXiv 2402.02446): the
 * error is weighed by what the inputs carry, {@code B A = SVD_r((W - Q) S) S^-1}, S the root mean square of each input channel.
 */
public final class ErrorAdapter {
    /** Channels that are hardly used are weighed as if they carried this share of the mean. */
    private static final double LEAST_SHARE = 1e-4;

    private ErrorAdapter() {}

    /**
     * Rounds one linear and fits its adapter.
     *
     * @param weight [out, in]
     * @param energy mean of x_i^2, [in], for LQER; null for LoftQ
     */
    public static PackedWeight quantize(
            Tensor weight, @Nullable Tensor energy, Method.ErrorAdapter method, TorchDevice device) {
        try (TorchScope scope = new TorchScope()) {
            PackedWeight rounded = RoundToNearest.quantize(weight, method.grid(), method.start(), device);
            TrainedAdapter adapter = fit(weight.sub(device.exactValues(rounded)), energy, method.rank());
            for (int turn = 1; turn < method.turns(); turn++) {
                Tensor rest = weight.sub(adapter.b().mm(adapter.a()));
                rounded = RoundToNearest.quantize(rest, method.grid(), method.start(), device);
                adapter = fit(weight.sub(device.exactValues(rounded)), energy, method.rank());
            }
            return adapter.over(rounded);
        }
    }

    /**
     * The product of a rank nearest to an error.
     *
     * @param error [out, in]
     * @param energy mean of x_i^2, [in], that the error is weighed by, or null
     */
    static TrainedAdapter fit(Tensor error, @Nullable Tensor energy, int rank) {
        @Nullable Tensor scale = null;
        if (energy != null) {
            Tensor root = energy.sqrt();
            scale = root.add(new Scalar(LEAST_SHARE * root.mean().item_double()))
                    .to(torch.ScalarType.Float);
        }
        Tensor weighed = scale == null ? error : error.mul(scale);
        var parts = torch.linalg_svd(weighed, false, new org.bytedeco.pytorch.StringViewOptional());
        Tensor root = parts.get1().narrow(0, 0, rank).sqrt();
        Tensor b = parts.get0().narrow(1, 0, rank).mul(root);
        Tensor a = parts.get2().narrow(0, 0, rank).mul(root.view(-1, 1));
        return new TrainedAdapter((scale == null ? a : a.div(scale)).contiguous(), b.contiguous(), 1);
    }
}
