package dev.salient.quantizer;

import dev.salient.torch.TorchDevice;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;

/**
 * How far apart two clouds of tokens are, whichever token lies where: {@code SW(Y, Z) = mean over directions d, mean over ranks i
 * of |sort(Y d)_i - sort(Z d)_i|}, the 1-Wasserstein distance of their shadows on random lines (Bonneel et al. 2015).
 */
final class SlicedWasserstein {
    private SlicedWasserstein() {}

    /**
     * Directions of length 1, uniformly distributed.
     *
     * @return [channels, count]
     */
    static Tensor directions(int channels, int count, SplittableRandom random, TorchDevice device) {
        float[] values = new float[channels * count];
        for (int d = 0; d < count; d++) {
            double squares = 0;
            double[] direction = new double[channels];
            for (int i = 0; i < channels; i++) {
                direction[i] = random.nextGaussian();
                squares += direction[i] * direction[i];
            }
            for (int i = 0; i < channels; i++) {
                values[i * count + d] = (float) (direction[i] / Math.sqrt(squares));
            }
        }
        return device.floats(values, channels, count);
    }

    /**
     * The distance, a scalar that can be differentiated.
     *
     * @param y [1, tokens, channels]
     * @param z [1, tokens, channels]
     */
    static Tensor between(Tensor y, Tensor z, Tensor directions) {
        return shadows(y, directions).sub(shadows(z, directions)).abs().mean();
    }

    private static Tensor shadows(Tensor tokens, Tensor directions) {
        return tokens.squeeze(0).mm(directions).sort(0, false).get0();
    }
}
