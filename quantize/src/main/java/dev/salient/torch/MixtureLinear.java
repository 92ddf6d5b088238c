package dev.salient.torch;

import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaleMixture;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * A linear whose scales follow the token (BinaryMoS, arXiv 2406.12311, section 3.2), differentiable.
 *
 * <pre>
 * r = softmax(x R^T)      y = ((x * (r S_in)) B^T) * (r S_out)
 * </pre>
 *
 * @param signs B, [out, in], each -1 or 1
 * @param router R, [experts, in]
 * @param inScales S_in, [experts, in]
 * @param outScales S_out, [experts, out]
 */
public record MixtureLinear(Tensor signs, Tensor router, Tensor inScales, Tensor outScales) {
    private static MixtureLinear of(ScaleMixture stored, TorchDevice device) {
        float[] signs = new float[Math.multiplyExact(stored.out(), stored.in())];
        for (int i = 0; i < signs.length; i++) {
            signs[i] = stored.sign(i / stored.in(), i % stored.in());
        }
        return new MixtureLinear(
                device.floats(signs, stored.out(), stored.in()),
                device.values(stored.router()),
                device.values(stored.inScales()),
                device.values(stored.outScales()));
    }

    /**
     * What a stored linear computes, its adapter included; null where its weight has values of its own.
     *
     * @param stored of any kind
     */
    public static TorchBlock.@Nullable OneLinear find(PackedWeight stored, TorchDevice device) {
        if (stored instanceof ScaleMixture mixture) {
            return of(mixture, device)::apply;
        }
        if (stored instanceof LowRank sum && sum.base() instanceof ScaleMixture mixture) {
            MixtureLinear below = of(mixture, device);
            Tensor a = device.values(sum.a());
            Tensor b = device.values(sum.b());
            return x -> below.apply(x)
                    .add(torch.linear(torch.linear(x, a), b), new org.bytedeco.pytorch.Scalar(sum.scaling()));
        }
        return null;
    }

    /** y from x, [..., in] to [..., out]. */
    public Tensor apply(Tensor x) {
        Tensor shares = torch.linear(x, router).softmax(-1);
        Tensor y = torch.linear(x.mul(shares.matmul(inScales)), signs);
        return y.mul(shares.matmul(outScales));
    }

    /** What it computes where the router shares a token out evenly, as a weight: {@code B * mean of S_out * mean of S_in}, [out, in]. */
    public Tensor even() {
        Tensor rows = outScales.mean(0).unsqueeze(1);
        Tensor columns = inScales.mean(0).unsqueeze(0);
        return signs.mul(rows.mul(columns));
    }
}
