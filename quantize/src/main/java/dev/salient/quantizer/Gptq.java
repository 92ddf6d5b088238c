package dev.salient.quantizer;

import dev.salient.fakequant.GroupCodes;
import dev.salient.fakequant.GroupFit;
import dev.salient.method.Method;
import dev.salient.packed.PackedWeight;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.Comparator;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * GPTQ (arXiv 2210.17323): columns are rounded one after the other, and those still to come make up for each error.
 *
 * <pre>
 * H = X^T X + damping mean(diag H) I,   U = upper Cholesky factor of H^-1
 * for each column i:   e = (w_i - q_i) / U_ii,   w_j -= e U_ij for all j after i
 * </pre>
 *
 * <p>A group's scale and zero point are found when its first column is reached, from the weights as they are by then. With
 * act-order, columns of the largest {@code H_ii} come first, and groups are fitted to the original weights.
 */
public final class Gptq {
    private final Method.Gptq method;
    private final int out;
    private final int in;
    private final int groupSize;
    private final float[] weights;
    /** The column that comes i-th. */
    private final int[] order;
    /** U, [in, in], rows and columns in that order. */
    private final float[] factor;

    private final GroupCodes codes;

    private Gptq(Tensor weight, Tensor gram, Method.Gptq method, TorchDevice device) {
        this.method = method;
        out = Math.toIntExact(weight.size(0));
        in = Math.toIntExact(weight.size(1));
        groupSize = method.grid().groupSizeFor(in);
        codes = new GroupCodes(method.grid(), out, in);
        Tensor diagonal = gram.diagonal();
        Tensor dead = diagonal.eq(new Scalar(0.0));
        Tensor alive = dead.logical_not().to(torch.ScalarType.Float);
        weights = TorchDevice.toFloats(weight.mul(alive)); // an input that is always 0 has no say
        Tensor damping = diagonal.mean().mul(new Scalar(method.damping())).add(dead.to(torch.ScalarType.Double));
        Tensor damped = gram.add(torch.diag(damping));
        float[] strength = TorchDevice.toFloats(diagonal.to(torch.ScalarType.Float));
        order = method.actOrder()
                ? IntStream.range(0, in)
                        .boxed()
                        .sorted(Comparator.comparingDouble(i -> -strength[i]))
                        .mapToInt(Integer::intValue)
                        .toArray()
                : IntStream.range(0, in).toArray();
        Tensor index = device.longs(order, in);
        Tensor ordered = damped.index_select(0, index).index_select(1, index);
        Tensor inverse = torch.cholesky_inverse(torch.linalg_cholesky(ordered));
        factor = TorchDevice.toFloats(
                torch.linalg_cholesky(inverse, true).to(torch.ScalarType.Float).contiguous());
    }

    /**
     * Rounds one linear.
     *
     * @param weight [out, in]
     * @param gram X^T X of its inputs, [in, in], in double
     */
    public static PackedWeight quantize(Tensor weight, Tensor gram, Method.Gptq method, TorchDevice device) {
        try (TorchScope scope = new TorchScope()) {
            Gptq gptq = new Gptq(weight, gram, method, device);
            IntStream.range(0, gptq.out).parallel().forEach(gptq::roundRow);
            return gptq.codes.pack();
        }
    }

    private void roundRow(int row) {
        float[] w = new float[in];
        for (int i = 0; i < in; i++) {
            w[i] = weights[row * in + order[i]];
        }
        GroupFit[] fits = new GroupFit[in / groupSize];
        for (int g = 0; method.actOrder() && g < fits.length; g++) {
            fits[g] = GroupFit.of(weights, row * in + g * groupSize, groupSize, method.grid(), method.start());
        }
        for (int i = 0; i < in; i++) {
            int group = order[i] / groupSize;
            if (fits[group] == null) {
                fits[group] = GroupFit.of(w, i, groupSize, method.grid(), method.start());
            }
            int code = fits[group].code(w[i]);
            codes.setCode(row * in + order[i], code);
            float error = (w[i] - fits[group].value(code)) / factor[i * in + i];
            for (int j = i + 1; j < in; j++) {
                w[j] -= error * factor[i * in + j];
            }
        }
        for (int g = 0; g < fits.length; g++) {
            codes.setGroup(row * fits.length + g, fits[g]);
        }
    }
}
