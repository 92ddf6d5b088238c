package dev.salient.quantizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.fakequant.BinaryMixture;
import dev.salient.fakequant.FakeQuant.Weighting;
import dev.salient.method.Preservation.Place;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.Random;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The preservation term of a mixture of scales, in double and by differences. */
class MixtureInTrainingTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int OUT = 4;
    private static final int IN = 32;
    private static final int RANK = 2;
    private static final double SCALING = 3;

    private static Tensor random(Random random, int rows, int columns) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return CPU.floats(values, rows, columns);
    }

    /** {@code sum F (W_eff - W)^2} with the means over two experts. */
    private static double term(MixtureInTraining linear, float[] w, float[] f) {
        var now = linear.mixture().linear();
        float[] in = TorchDevice.toFloats(now.inScales());
        float[] out = TorchDevice.toFloats(now.outScales());
        float[] a = TorchDevice.toFloats(
                java.util.Objects.requireNonNull(linear.adapter()).a());
        float[] b = TorchDevice.toFloats(linear.adapter().b());
        double sum = 0;
        for (int o = 0; o < OUT; o++) {
            for (int i = 0; i < IN; i++) {
                double own = Math.signum(w[o * IN + i]) * (out[o] + out[OUT + o]) / 2 * (in[i] + in[IN + i]) / 2;
                for (int r = 0; r < RANK && linear.place() == Place.AFTER_ADAPTER; r++) {
                    own += SCALING * b[o * RANK + r] * a[r * IN + i];
                }
                sum += f[o * IN + i] * Math.pow(own - w[o * IN + i], 2);
            }
        }
        return sum;
    }

    @ParameterizedTest
    @EnumSource(Place.class)
    void preservationLooksAtTheEvenWeight(Place place) {
        Random numbers = new Random(3);
        try (TorchScope scope = new TorchScope()) {
            Tensor original = random(numbers, OUT, IN);
            float[] w = TorchDevice.toFloats(original);
            Tensor saliency = random(numbers, OUT, IN).abs();
            float[] f = TorchDevice.toFloats(saliency);
            TrainedAdapter adapter = new TrainedAdapter(
                    random(numbers, RANK, IN).requires_grad_(true),
                    random(numbers, OUT, RANK).requires_grad_(true),
                    SCALING);
            BinaryMixture mixture = new BinaryMixture(original, 2, true, CPU, new SplittableRandom(5));
            MixtureInTraining linear = new MixtureInTraining(original, mixture, adapter, place);
            for (InTraining.Parameter parameter : linear.parameters()) {
                if (parameter.role() == InTraining.Role.SCALE) {
                    Tensor leaf = parameter.value().detach();
                    leaf.add_(random(numbers, (int) leaf.size(0), (int) leaf.size(1)), new Scalar(0.3));
                }
            }
            linear.refresh();
            double want = term(linear, w, f);
            assertThat(linear.gradients(false, new Weighting(saliency, 0)).preservation())
                    .isCloseTo(want, within(1e-4 * want));
            TrainedLinear.Step step = linear.gradients(false, new Weighting(saliency, 0.25));
            assertThat(step.gradients()).hasSize(linear.parameters().size());
            for (int p = 0; p < step.gradients().size(); p++) {
                InTraining.Parameter parameter = linear.parameters().get(p);
                if (parameter.role() == InTraining.Role.WEIGHT) {
                    continue; // straight through, no slope of the term
                }
                Tensor leaf = parameter.value().detach().view(-1);
                float[] got = TorchDevice.toFloats(step.gradients().get(p));
                for (int i = 0; i < got.length; i += 7) {
                    Tensor one = leaf.narrow(0, i, 1);
                    one.add_(CPU.floats(new float[] {1e-2f}, 1));
                    double above = term(linear, w, f);
                    one.add_(CPU.floats(new float[] {-2e-2f}, 1));
                    double below = term(linear, w, f);
                    one.add_(CPU.floats(new float[] {1e-2f}, 1));
                    double slope = 0.25 * (above - below) / 2e-2;
                    assertThat((double) got[i]).isCloseTo(slope, within(2e-3 * (1 + Math.abs(slope))));
                }
            }
        }
    }
}
