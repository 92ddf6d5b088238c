package dev.salient.fakequant;

import static dev.salient.fakequant.Samples.gaussians;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.packed.ScaleMixture;
import dev.salient.torch.MixtureLinear;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.Objects;
import java.util.Random;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A mixture of scales against its formula in double: one number at a time, and slopes as differences. */
class BinaryMixtureTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int OUT = 5;
    private static final int IN = 32;
    private static final int EXPERTS = 3;
    private static final int TOKENS = 4;

    /** y of a token, [out]. */
    private static double[] naive(double[] signs, double[] router, double[] in, double[] out, float[] x) {
        double[] share = new double[EXPERTS];
        double total = 0;
        for (int e = 0; e < EXPERTS; e++) {
            double logit = 0;
            for (int i = 0; i < IN; i++) {
                logit += x[i] * router[e * IN + i];
            }
            share[e] = Math.exp(logit);
            total += share[e];
        }
        double[] y = new double[OUT];
        for (int o = 0; o < OUT; o++) {
            double outer = 0;
            for (int e = 0; e < EXPERTS; e++) {
                outer += share[e] / total * out[e * OUT + o];
            }
            for (int i = 0; i < IN; i++) {
                double inner = 0;
                for (int e = 0; e < EXPERTS; e++) {
                    inner += share[e] / total * in[e * IN + i];
                }
                y[o] += outer * signs[o * IN + i] * inner * x[i];
            }
        }
        return y;
    }

    /** {@code sum of weight * y} over all tokens. */
    private static double sum(double[][] parts, float[] x, float[] weights) {
        double sum = 0;
        for (int t = 0; t < TOKENS; t++) {
            float[] one = java.util.Arrays.copyOfRange(x, t * IN, (t + 1) * IN);
            double[] y = naive(parts[0], parts[1], parts[2], parts[3], one);
            for (int o = 0; o < OUT; o++) {
                sum += weights[t * OUT + o] * y[o];
            }
        }
        return sum;
    }

    private static double slope(double[][] parts, int part, int at, float[] x, float[] weights) {
        double step = 1e-4;
        double old = parts[part][at];
        parts[part][at] = old + step;
        double above = sum(parts, x, weights);
        parts[part][at] = old - step;
        double below = sum(parts, x, weights);
        parts[part][at] = old;
        return (above - below) / (2 * step);
    }

    private static double[] doubles(Tensor tensor) {
        float[] values = TorchDevice.toFloats(tensor);
        double[] doubles = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            doubles[i] = values[i];
        }
        return doubles;
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void outputsAndGradientsAreThoseOfTheFormula(long seed) {
        Random random = new Random(seed);
        float[] x = gaussians(random, TOKENS * IN);
        float[] weights = gaussians(random, TOKENS * OUT);
        try (TorchScope scope = new TorchScope()) {
            Tensor original = CPU.floats(gaussians(random, OUT * IN), OUT, IN);
            BinaryMixture mixture = new BinaryMixture(original, EXPERTS, true, CPU, new SplittableRandom(seed));
            Tensor latent = Objects.requireNonNull(mixture.findLatent());
            latent.copy_(CPU.floats(gaussians(random, OUT * IN), OUT, IN)); // some beyond 1, where no gradient passes
            for (Tensor leaf : mixture.scales()) { // experts that have parted
                float[] moved = gaussians(random, (int) leaf.numel());
                leaf.detach().copy_(CPU.floats(moved, leaf.size(0), leaf.size(1)));
            }
            mixture.refresh();
            MixtureLinear now = mixture.linear();
            double[] w = doubles(latent);
            double[] signs = new double[w.length];
            for (int i = 0; i < w.length; i++) {
                signs[i] = w[i] >= 0 ? 1 : -1;
            }
            double[][] parts = {signs, doubles(now.router()), doubles(now.inScales()), doubles(now.outScales())};

            Tensor y = now.apply(CPU.floats(x, 1, TOKENS, IN));
            float[] got = TorchDevice.toFloats(y);
            for (int t = 0; t < TOKENS; t++) {
                double[] want = naive(
                        parts[0], parts[1], parts[2], parts[3], java.util.Arrays.copyOfRange(x, t * IN, (t + 1) * IN));
                for (int o = 0; o < OUT; o++) {
                    assertThat((double) got[t * OUT + o]).isCloseTo(want[o], within(1e-4));
                }
            }

            y.mul(CPU.floats(weights, 1, TOKENS, OUT)).sum().backward();
            double[] own = doubles(mixture.latentGradient());
            for (int i = 0; i < w.length; i++) {
                double want = Math.abs(w[i]) < 1 ? slope(parts, 0, i, x, weights) : 0;
                assertThat(own[i]).isCloseTo(want, within(1e-3));
            }
            for (int part = 1; part <= 3; part++) {
                Tensor leaf = mixture.scales().get(part - 1);
                double[] gradient = doubles(BinaryMixture.gradient(leaf));
                double[] values = doubles(leaf);
                for (int i = 0; i < gradient.length; i++) {
                    double unit = parts[part][i] / values[i]; // a leaf counts in the size of its start
                    assertThat(gradient[i]).isCloseTo(unit * slope(parts, part, i, x, weights), within(2e-3));
                }
            }
            mixture.refresh();
            assertThat(doubles(BinaryMixture.gradient(mixture.scales().getFirst())))
                    .containsOnly(0);
        }
    }

    /** The product of rank 1 nearest to |W|, by power iteration in double; all experts alike, so the even weight is it. */
    @Test
    void scalesStartAsTheNearestProduct() {
        float[] w = gaussians(new Random(4), OUT * IN);
        double[] columns = new double[IN];
        double[] rows = new double[OUT];
        java.util.Arrays.fill(columns, 1 / Math.sqrt(IN));
        for (int turn = 0; turn < 200; turn++) {
            for (int o = 0; o < OUT; o++) {
                rows[o] = 0;
                for (int i = 0; i < IN; i++) {
                    rows[o] += Math.abs(w[o * IN + i]) * columns[i];
                }
            }
            double size = 0;
            for (int i = 0; i < IN; i++) {
                columns[i] = 0;
                for (int o = 0; o < OUT; o++) {
                    columns[i] += Math.abs(w[o * IN + i]) * rows[o];
                }
                size += columns[i] * columns[i];
            }
            for (int i = 0; i < IN; i++) {
                columns[i] /= Math.sqrt(size);
            }
        }
        try (TorchScope scope = new TorchScope()) {
            BinaryMixture mixture =
                    new BinaryMixture(CPU.floats(w, OUT, IN), EXPERTS, false, CPU, new SplittableRandom(1));
            assertThat(mixture.findLatent()).isNull();
            double[] even = doubles(mixture.linear().even());
            ScaleMixture stored = mixture.stored();
            float[] decoded = new float[IN];
            for (int o = 0; o < OUT; o++) {
                ScaleMixture.even(stored).decodeRow(o, decoded, 0);
                for (int i = 0; i < IN; i++) {
                    double want = Math.signum(w[o * IN + i]) * rows[o] * columns[i];
                    assertThat(even[o * IN + i]).isCloseTo(want, within(1e-4));
                    assertThat((double) decoded[i]).isCloseTo(want, within(2e-3));
                    assertThat(stored.sign(o, i)).isEqualTo(w[o * IN + i] >= 0 ? 1 : -1);
                }
            }
            for (double start : doubles(mixture.linear().router())) {
                assertThat(Math.abs(start)).isLessThan(1 / Math.sqrt(IN));
            }
        }
    }
}
