package dev.salient.quantizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.calibration.Activations;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.method.Terms;
import dev.salient.method.TokenWeighting;
import dev.salient.model.Linear;
import dev.salient.pipeline.TinyLlama;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an output loss is made of, against the formulas in double. */
class TermsTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");

    @TempDir
    Path folder;

    private static float[] random(int count, long seed) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static double[] shadow(float[] tokens, float[] directions, int d) {
        int count = directions.length / 4;
        double[] shadow = new double[tokens.length / 4];
        for (int t = 0; t < shadow.length; t++) {
            for (int i = 0; i < 4; i++) {
                shadow[t] += tokens[t * 4 + i] * (double) directions[i * count + d];
            }
        }
        Arrays.sort(shadow);
        return shadow;
    }

    @Test
    void slicedWassersteinIsTheMeanDistanceOfSortedShadows() {
        try (TorchScope scope = new TorchScope()) {
            float[] y = random(7 * 4, 1);
            float[] z = random(7 * 4, 2);
            Tensor directions = SlicedWasserstein.directions(4, 5, new SplittableRandom(3), CPU);
            float[] all = TorchDevice.toFloats(directions);
            double want = 0;
            for (int d = 0; d < 5; d++) {
                double length = 0;
                for (int i = 0; i < 4; i++) {
                    length += all[i * 5 + d] * (double) all[i * 5 + d];
                }
                assertThat(length).isCloseTo(1, within(1e-6));
                double[] a = shadow(y, all, d);
                double[] b = shadow(z, all, d);
                for (int i = 0; i < 7; i++) {
                    want += Math.abs(a[i] - b[i]) / 35;
                }
            }
            double got = SlicedWasserstein.between(CPU.floats(y, 1, 7, 4), CPU.floats(z, 1, 7, 4), directions)
                    .item_double();
            assertThat(got).isCloseTo(want, within(1e-6 * want));
            float[] moved = new float[y.length];
            for (int i = 0; i < y.length; i++) {
                moved[i] = y[(i + 8) % y.length]; // the same tokens in another order are no distance away
            }
            assertThat(SlicedWasserstein.between(CPU.floats(y, 1, 7, 4), CPU.floats(moved, 1, 7, 4), directions)
                            .item_double())
                    .isLessThan(1e-6);
        }
    }

    /** Two heads, queries that see themselves and what was before; the gradient is finite where nothing is seen. */
    @Test
    void attentionDivergenceIsThatOfWhatIsSeen() {
        try (TorchScope scope = new TorchScope()) {
            float[] original = random(2 * 3 * 3, 4);
            float[] other = random(2 * 3 * 3, 5);
            double want = 0;
            for (int h = 0; h < 2; h++) {
                for (int q = 0; q < 3; q++) {
                    double sumP = 0;
                    double sumQ = 0;
                    for (int k = 0; k < 3; k++) {
                        int at = (h * 3 + q) * 3 + k;
                        if (k > q) {
                            original[at] = Float.NEGATIVE_INFINITY;
                            other[at] = Float.NEGATIVE_INFINITY;
                        }
                        sumP += Math.exp(original[at]);
                        sumQ += Math.exp(other[at]);
                    }
                    for (int k = 0; k <= q; k++) {
                        int at = (h * 3 + q) * 3 + k;
                        double p = Math.exp(original[at]) / sumP;
                        want += p * Math.log(p / (Math.exp(other[at]) / sumQ)) / 6;
                    }
                }
            }
            Tensor scores = CPU.floats(other, 2, 1, 3, 3).requires_grad_(true);
            Tensor got = AttentionDivergence.of(CPU.floats(original, 2, 1, 3, 3), scores);
            got.backward();
            assertThat(got.item_double()).isCloseTo(want, within(1e-6));
            for (float gradient : TorchDevice.toFloats(scores.grad())) {
                assertThat(gradient).isFinite();
            }
        }
    }

    /** Each term counts with its share of what the squared differences were at the start, and both together. */
    @Test
    void termsStartAsLargeAsTheSquaredDifferences() throws IOException {
        TinyLlama.write(folder.resolve("model"), 7);
        Activations.Size size = new Activations.Size(2, 6, 64);
        try (Checkpoint checkpoint = Checkpoints.open(folder.resolve("model"));
                Activations clean = Activations.inMemory(size);
                Activations degraded = Activations.inMemory(size);
                Activations scratch = Activations.inMemory(size);
                TorchScope scope = new TorchScope()) {
            for (int s = 0; s < 2; s++) {
                clean.set(s, CPU.floats(random(6 * 64, 10 + s), 1, 6, 64));
                degraded.set(s, CPU.floats(random(6 * 64, 20 + s), 1, 6, 64));
                scratch.set(s, CPU.floats(random(6 * 64, 30 + s), 1, 6, 64));
            }
            TorchLanguageModel.Block block = TorchLanguageModel.loadBlock(checkpoint.weights(), 0, CPU);
            Rope rope = Rope.of(checkpoint.weights().config(), 6, CPU);
            BlockTask task =
                    new BlockTask(0, block, clean, degraded, scratch, Map.of(), Map.of(), Map.of(), rope, CPU, 1);
            BlockOutput loss = new BlockOutput(
                    task,
                    TokenWeighting.PLAIN,
                    (linear, x) ->
                            torch.linear(x, block.weight(linear).mul(new Scalar(linear == Linear.Q ? 0.5 : 0.9))));
            double squared = mean(loss, Terms.NONE);
            for (Terms terms : new Terms[] {new Terms(1, 0), new Terms(0, 1), new Terms(0.2, 0.3)}) {
                assertThat(mean(loss, terms)).isCloseTo(squared, within(1e-5 * squared));
            }
            double wasserstein = loss.of(0, new Terms(1, 0)).item_double();
            double attention = loss.of(0, new Terms(0, 1)).item_double();
            double all = loss.of(0, new Terms(0.2, 0.3)).item_double();
            double own = loss.of(0, Terms.NONE).item_double();
            assertThat(all).isCloseTo(0.5 * own + 0.2 * wasserstein + 0.3 * attention, within(1e-5 * all));
            assertThat(attention).isPositive();
            assertThat(wasserstein).isPositive();
        }
    }

    private static double mean(BlockOutput loss, Terms terms) {
        return (loss.of(0, terms).item_double() + loss.of(1, terms).item_double()) / 2;
    }
}
