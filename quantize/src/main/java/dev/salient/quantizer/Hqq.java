package dev.salient.quantizer;

import dev.salient.fakequant.GroupCodes;
import dev.salient.fakequant.GroupFit;
import dev.salient.method.Method;
import dev.salient.packed.PackedWeight;
import dev.salient.torch.TorchDevice;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/**
 * Half-quadratic quantization (Badri and Shaji, 2023): no data, an error that forgives outliers, {@code ||w - q||_p}, p = 0.7.
 *
 * <pre>
 * e    = shrink(w - q, beta):  sign(x) max(0, |x| - |x|^(p-1) / beta)      what is left to outliers
 * code = nearest to w;   d = sum (w - e) level / sum level^2;   beta = 1.01 beta
 * </pre>
 *
 * <p>The authors move the zero point, a real number in their files. Here it is a small integer, which can't follow, so the
 * scale moves: the same least squares for the other parameter. Steps are taken while the error falls.
 */
public final class Hqq {
    private static final double P = 0.7;
    private static final double FIRST_BETA = 10;
    private static final double GROWTH = 1.01;
    private static final int STEPS = 20;

    private Hqq() {}

    /**
     * Rounds one linear.
     *
     * @param weight [out, in]
     */
    public static PackedWeight quantize(Tensor weight, Method.Hqq method) {
        int out = Math.toIntExact(weight.size(0));
        int in = Math.toIntExact(weight.size(1));
        int size = method.grid().groupSizeFor(in);
        float[] weights = TorchDevice.toFloats(weight);
        GroupCodes codes = new GroupCodes(method.grid(), out, in);
        IntStream.range(0, out).parallel().forEach(row -> {
            for (int group = row * (in / size); group < (row + 1) * (in / size); group++) {
                GroupFit fit = fit(weights, group * size, size, method);
                codes.setGroup(group, fit);
                for (int i = group * size; i < (group + 1) * size; i++) {
                    codes.setCode(i, fit.code(weights[i]));
                }
            }
        });
        return codes.pack();
    }

    private static GroupFit fit(float[] weights, int from, int size, Method.Hqq method) {
        GroupFit best = GroupFit.of(weights, from, size, method.grid(), method.start());
        double least = error(weights, from, size, best);
        double beta = FIRST_BETA;
        GroupFit present = best;
        for (int step = 0; step < STEPS; step++) {
            double up = 0;
            double down = 0;
            for (int i = from; i < from + size; i++) {
                int code = present.code(weights[i]);
                double level = code - present.zero();
                up += (weights[i] - shrink(weights[i] - present.value(code), beta)) * level;
                down += level * level;
            }
            double scale = down == 0 ? 0 : up / down;
            if (!(scale > 0)) {
                break;
            }
            present = present.withScale((float) scale);
            double error = error(weights, from, size, present);
            if (error >= least) {
                break;
            }
            least = error;
            best = present;
            beta *= GROWTH;
        }
        return best;
    }

    static double shrink(double x, double beta) {
        double size = Math.abs(x);
        return size == 0 ? 0 : Math.signum(x) * Math.max(0, size - Math.pow(size, P - 1) / beta);
    }

    private static double error(float[] weights, int from, int size, GroupFit fit) {
        double error = 0;
        for (int i = from; i < from + size; i++) {
            error += Math.pow(Math.abs(weights[i] - fit.value(fit.code(weights[i]))), P);
        }
        return error;
    }
}
