package dev.salient.tune;

import dev.salient.torch.TorchDevice;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;

/**
 * Random numbers for stochastic rounding. They follow from the seed and the step alone, so that a run taken up again draws the same.
 *
 * @param seed of one linear
 */
record Chance(long seed, TorchDevice device) {
    /** Uniform in [0, 1), of this shape. */
    Tensor draw(int step, long... shape) {
        int count = 1;
        for (long length : shape) {
            count = Math.multiplyExact(count, Math.toIntExact(length));
        }
        SplittableRandom random = new SplittableRandom(seed ^ (step * 0x9E3779B97F4A7C15L));
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = random.nextFloat();
        }
        return device.floats(values, shape);
    }
}
