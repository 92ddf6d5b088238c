package dev.salient.quantizer;

import dev.salient.packed.LowRank;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.torch.TorchDevice;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;

/**
 * The lengths of a weight's rows under training (DoRA, arXiv 2402.09353): {@code W_eff = m V / ||V||}, row by row, {@code V = Q(W) +
 * scaling B A}.
 *
 * <p>As its authors do (section 4.3) the norm is taken for a constant where the loss is differentiated: {@code dV = m / ||V|| G, dm =
 * sum over the row of G V / ||V||}.
 *
 * @param lengths m, [out, 1]
 * @param norms ||V||, [out, 1], overwritten by {@link #stretch}
 */
record TrainedMagnitude(Tensor lengths, Tensor norms) {
    /** Rows that are all zero count as this long. */
    private static final double SHORTEST = 1e-6;

    /** The lengths of the original's rows. */
    static TrainedMagnitude of(Tensor original) {
        return new TrainedMagnitude(rowNorms(original), rowNorms(original));
    }

    private static Tensor rowNorms(Tensor values) {
        return values.square()
                .sum(new long[] {1}, true, new org.bytedeco.pytorch.ScalarTypeOptional())
                .sqrt()
                .clamp(new ScalarOptional(new Scalar(SHORTEST)), new ScalarOptional());
    }

    /** Overwrites V, [out, in], which no gradient is taken of, with the effective weight. */
    void stretch(Tensor values) {
        norms.copy_(rowNorms(values));
        values.mul_(lengths.div(norms));
    }

    /** The gradient by V from G, that by the effective weight. */
    Tensor toSum(Tensor gradient) {
        return gradient.mul(lengths.div(norms));
    }

    /**
     * The gradient by m.
     *
     * @param gradient G, [out, in]
     * @param effective [out, in]
     */
    Tensor toLengths(Tensor gradient, Tensor effective) {
        return gradient.mul(effective)
                .sum(new long[] {1}, true, new org.bytedeco.pytorch.ScalarTypeOptional())
                .div(lengths);
    }

    /** The stored form with these lengths, in fp16. */
    LowRank over(LowRank adapted) {
        var stored = TorchDevice.stored(lengths, DType.F16);
        var flat = new dev.salient.tensor.Tensor(DType.F16, Shape.of(adapted.out()), stored.data());
        return new LowRank(adapted.base(), adapted.a(), adapted.b(), adapted.scaling(), flat);
    }
}
