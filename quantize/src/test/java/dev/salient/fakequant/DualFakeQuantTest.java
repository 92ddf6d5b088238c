package dev.salient.fakequant;

import static dev.salient.fakequant.Samples.gaussians;
import static dev.salient.fakequant.Samples.sigmoid;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.packed.PackedWeight;
import dev.salient.quantizer.RoundToNearest;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.Objects;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Dual binarization against its formula, one weight at a time in double. */
class DualFakeQuantTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int OUT = 3;
    private static final int IN = 96;
    private static final int SIZE = 32;
    private static final Grid GRID = new Grid.DualBinary(SIZE);

    /** The sum of two bits, as the paper writes it. */
    private static double[] bits(double w, double a1, double a2) {
        double b1 = w - (a1 + a2) / 2 >= 0 ? 1 : 0;
        double b2 = -(w - a1 * b1 - a2 / 2) >= 0 ? 1 : 0;
        return new double[] {b1, b2};
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void valuesAndGradientsAreThoseOfTheFormula(long seed) {
        Random random = new Random(seed);
        float[] original = gaussians(random, OUT * IN);
        float[] moved = gaussians(random, OUT * IN);
        float[] u = gaussians(random, OUT * IN / SIZE);
        float[] l = gaussians(random, OUT * IN / SIZE);
        float[] gradient = gaussians(random, OUT * IN);
        float[] saliency = new float[OUT * IN];
        for (int i = 0; i < saliency.length; i++) {
            saliency[i] = random.nextFloat();
        }
        try (TorchScope scope = new TorchScope()) {
            ClippedGroups weight = ClippedGroups.of(CPU.floats(original, OUT, IN), GRID, Start.RANGE, CPU)
                    .withTrainedWeight();
            weight.latent().copy_(CPU.floats(moved, OUT, IN));
            weight.upper().copy_(CPU.floats(u, OUT, IN / SIZE));
            weight.lower().copy_(CPU.floats(l, OUT, IN / SIZE));
            DualFakeQuant quant = new DualFakeQuant();
            quant.quantize(weight);
            float[] values = TorchDevice.toFloats(weight.values());
            FakeQuant.Gradients got = quant.differentiate(
                    weight,
                    CPU.floats(gradient, OUT, IN),
                    new FakeQuant.Weighting(CPU.floats(saliency, OUT, IN), 0.25));
            float[] own = TorchDevice.toFloats(Objects.requireNonNull(got.weight()));
            double preserved = 0;
            for (int g = 0; g < u.length; g++) {
                double largest = 0;
                for (int i = g * SIZE; i < (g + 1) * SIZE; i++) {
                    largest = Math.max(largest, Math.abs(original[i]));
                }
                double a1 = 2 * largest * sigmoid(u[g]);
                double a2 = -largest * sigmoid(l[g]);
                double byA1 = 0;
                double byA2 = 0;
                for (int i = g * SIZE; i < (g + 1) * SIZE; i++) {
                    double[] b = bits(moved[i], a1, a2);
                    double want = a1 * b[0] + a2 * b[1];
                    assertThat((double) values[i]).isCloseTo(want, within(1e-5));
                    double off = want - original[i];
                    double total = gradient[i] + 0.5 * saliency[i] * off;
                    byA1 += total * b[0];
                    byA2 += total * b[1];
                    preserved += saliency[i] * off * off;
                    boolean inside = moved[i] >= 1.5 * a2 && moved[i] <= a1 - a2 / 2;
                    assertThat((double) own[i]).isCloseTo(inside ? total : 0, within(1e-5));
                }
                double up = byA1 * a1 * (1 - sigmoid(u[g]));
                double down = byA2 * a2 * (1 - sigmoid(l[g]));
                assertThat((double) TorchDevice.toFloats(got.upper())[g]).isCloseTo(up, within(1e-4));
                assertThat((double) TorchDevice.toFloats(got.lower())[g]).isCloseTo(down, within(1e-4));
            }
            assertThat(got.preservation()).isCloseTo(preserved, within(1e-3));
        }
    }

    /** At the paper's start: levels -s, 0, s and 2 s, s half the largest weight; or all shares of it that were tried. */
    @ParameterizedTest
    @EnumSource(Start.class)
    void roundingTakesTheNearestOfFourLevels(Start start) {
        float[] original = gaussians(new Random(5), OUT * IN);
        try (TorchScope scope = new TorchScope()) {
            Tensor weight = CPU.floats(original, OUT, IN);
            PackedWeight got = RoundToNearest.quantize(weight, GRID, start, CPU);
            float[] row = new float[IN];
            for (int o = 0; o < OUT; o++) {
                got.decodeRow(o, row, 0);
                for (int g = 0; g < IN / SIZE; g++) {
                    double largest = 0;
                    for (int i = g * SIZE; i < (g + 1) * SIZE; i++) {
                        largest = Math.max(largest, Math.abs(original[o * IN + i]));
                    }
                    double best = start == Start.RANGE ? 1 : 0;
                    double least = Double.POSITIVE_INFINITY;
                    for (int k = 0; k < 40 && start == Start.SQUARED_ERROR; k++) {
                        double error = 0;
                        for (int i = g * SIZE; i < (g + 1) * SIZE; i++) {
                            error += Math.pow(
                                    nearest(original[o * IN + i], (1 - 0.02 * k) * largest / 2) - original[o * IN + i],
                                    2);
                        }
                        best = error < least ? 1 - 0.02 * k : best;
                        least = Math.min(least, error);
                    }
                    for (int i = g * SIZE; i < (g + 1) * SIZE; i++) {
                        double want = nearest(original[o * IN + i], best * largest / 2);
                        assertThat((double) row[i]).isCloseTo(want, within(1e-3 * largest));
                    }
                }
            }
        }
    }

    private static double nearest(double w, double s) {
        return s * Math.max(-1, Math.min(2, Math.rint(w / s)));
    }
}
