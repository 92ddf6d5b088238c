package dev.salient.fakequant;

import dev.salient.packed.ScaleMixture;
import dev.salient.tensor.DType;
import dev.salient.torch.MixtureLinear;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.StringViewOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * BinaryMoS's binary mixture of scales (arXiv 2406.12311, section 3.2) under training; the forward pass is {@link MixtureLinear}'s.
 *
 * <pre>
 * B = sign(W), sign(0) = 1;   dB/dW = [|W| < 1]
 * S_out S_in start as the product of rank 1 nearest to |W|, alike in all experts; R uniform within 1 / sqrt(in)
 * </pre>
 *
 * <p>Experts that start alike need no nudge to part: R is random from the start, so that each sees tokens in shares of its own and gets
 * gradients of its own. R itself gets none until they have parted, at the first step.
 *
 * <p>What is trained of scales and router is counted in the size that they start with, so that one rate fits models whose weights are
 * larger or smaller. Differs from the reference in that, and in sign(0), which is 0 there.
 */
public final class BinaryMixture {
    private final Tensor latent;
    private final boolean trainsWeight;
    /** B, a leaf where W is trained. */
    private final Tensor signs;
    /** [experts, in], as are the scales of the inputs; [experts, out] those of the outputs: in units, leaves. */
    private final Tensor router;

    private final Tensor inScales;
    private final Tensor outScales;
    private final double routerUnit;
    private final double inUnit;
    private final double outUnit;

    /**
     * The start.
     *
     * @param original W, [out, in]
     * @param trainsWeight whether a copy of W is trained along, so that signs can change
     */
    public BinaryMixture(
            Tensor original, int experts, boolean trainsWeight, TorchDevice device, SplittableRandom random) {
        try (TorchScope scope = new TorchScope()) {
            int in = Math.toIntExact(original.size(1));
            var parts = torch.linalg_svd(original.abs(), false, new StringViewOptional());
            Tensor root = parts.get1().narrow(0, 0, 1).sqrt();
            // of a matrix without negative numbers the first vectors have none either, but for a sign in common
            Tensor rows = parts.get0().narrow(1, 0, 1).t().abs().mul(root);
            Tensor columns = parts.get2().narrow(0, 0, 1).abs().mul(root);
            double rowUnit = rms(rows);
            double columnUnit = rms(columns);
            float[] start = new float[Math.multiplyExact(experts, in)];
            for (int i = 0; i < start.length; i++) {
                start[i] = (float) random.nextDouble(-1, 1);
            }
            this.trainsWeight = trainsWeight;
            latent = trainsWeight ? scope.keep(original.clone()) : original;
            signs = scope.keep(sign(original).requires_grad_(trainsWeight));
            router = scope.keep(device.floats(start, experts, in).requires_grad_(true));
            inScales = scope.keep(start(columns, columnUnit, experts));
            outScales = scope.keep(start(rows, rowUnit, experts));
            routerUnit = 1 / Math.sqrt(in);
            inUnit = columnUnit;
            outUnit = rowUnit;
        }
    }

    /** A leaf of as many equal rows as there are experts, in units. */
    private static Tensor start(Tensor row, double unit, int experts) {
        return row.div(new Scalar(unit)).repeat(experts, 1).requires_grad_(true);
    }

    /** Of a weight that is all zeros too there must be a unit. */
    private static double rms(Tensor numbers) {
        return Math.max(1e-12, Math.sqrt(numbers.square().mean().item_double()));
    }

    private static Tensor sign(Tensor weight) {
        Tensor up = weight.ge(new Scalar(0.0)).to(torch.ScalarType.Float);
        return up.mul(new Scalar(2.0)).sub(new Scalar(1.0));
    }

    /** What computes at present. */
    public MixtureLinear linear() {
        return new MixtureLinear(
                signs,
                router.mul(new Scalar(routerUnit)),
                inScales.mul(new Scalar(inUnit)),
                outScales.mul(new Scalar(outUnit)));
    }

    /** Router and scales: leaves that collect gradients. */
    public List<Tensor> scales() {
        return List.of(router, inScales, outScales);
    }

    /** W, [out, in], where it is trained; else null. */
    public @Nullable Tensor findLatent() {
        return trainsWeight ? latent : null;
    }

    /** The gradient of W from that of its signs, which passes straight through; to be asked for where W is trained. */
    public Tensor latentGradient() {
        Tensor inside = latent.abs().lt(new Scalar(1.0));
        return gradient(signs).mul(inside);
    }

    /** The gradient that a leaf has collected; zeros where none has come. */
    public static Tensor gradient(Tensor leaf) {
        Tensor gradient = leaf.grad();
        return gradient.defined() ? gradient : torch.zeros_like(leaf.detach());
    }

    /** Takes the signs of W as it is now, and forgets all gradients. */
    public void refresh() {
        try (TorchScope scope = new TorchScope()) {
            if (trainsWeight) {
                signs.detach().copy_(sign(latent));
                signs.mutable_grad().reset();
            }
            scales().forEach(leaf -> leaf.mutable_grad().reset());
        }
    }

    /** The stored form: a bit a sign, the rest in fp16. */
    public ScaleMixture stored() {
        try (TorchScope scope = new TorchScope()) {
            MixtureLinear now = linear();
            float[] values = TorchDevice.toFloats(signs);
            byte[] bits = new byte[values.length / Byte.SIZE];
            for (int i = 0; i < values.length; i++) {
                bits[i / Byte.SIZE] |= (byte) ((values[i] > 0 ? 1 : 0) << (i % Byte.SIZE));
            }
            return new ScaleMixture(
                    Math.toIntExact(signs.size(0)),
                    Math.toIntExact(signs.size(1)),
                    MemorySegment.ofArray(bits),
                    TorchDevice.stored(now.router(), DType.F16),
                    TorchDevice.stored(now.inScales(), DType.F16),
                    TorchDevice.stored(now.outScales(), DType.F16));
        }
    }
}
