package dev.salient.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Test;

class BootstrapTest {
    private final Random random = new Random(5);
    private final double[] counts = random.doubles(20, 1, 50).map(Math::rint).toArray();
    private final double[] sums = Arrays.stream(counts)
            .map(count -> count * random.nextGaussian(3, 1))
            .toArray();

    @Test
    void intervalHoldsTheMiddleNineteenTwentiethsOfAThousandSeededDraws() {
        RandomGenerator same = RandomGeneratorFactory.of("L64X128MixRandom").create(1);
        List<Double> draws = new ArrayList<>();
        for (int draw = 0; draw < 1000; draw++) {
            List<Integer> drawn = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                drawn.add(same.nextInt(20));
            }
            draws.add(drawn.stream().mapToDouble(w -> sums[w]).sum()
                    / drawn.stream().mapToDouble(w -> counts[w]).sum());
        }
        Collections.sort(draws);
        Interval got = Bootstrap.mean(sums, counts);
        assertThat(got.value())
                .isCloseTo(Arrays.stream(sums).sum() / Arrays.stream(counts).sum(), within(1e-12));
        // 999 gaps: 2.5 % of them are 24.975, 97.5 % are 974.025.
        assertThat(got.low()).isCloseTo(0.025 * draws.get(24) + 0.975 * draws.get(25), within(1e-12));
        assertThat(got.high()).isCloseTo(0.975 * draws.get(974) + 0.025 * draws.get(975), within(1e-12));
    }

    @Test
    void intervalIsAboutTwoStandardErrorsWide() {
        double[] ones = new double[400];
        Arrays.fill(ones, 1);
        double[] values = new Random(1).doubles(400).toArray();
        Interval got = Bootstrap.mean(values, ones);
        // Deviation of a uniform number 1 / sqrt(12), of the mean of 400 a twentieth of that.
        double error = 1 / Math.sqrt(12) / 20;
        assertThat(got.high() - got.value()).isCloseTo(1.96 * error, within(0.25 * error));
        assertThat(got.value() - got.low()).isCloseTo(1.96 * error, within(0.25 * error));
    }

    @Test
    void oneWindowGivesNoInterval() {
        Interval got = Bootstrap.mean(new double[] {6}, new double[] {3});
        assertThat(got).isEqualTo(new Interval(2, Double.NaN, Double.NaN));
        assertThat(got.excludesZero()).isFalse();
    }

    @Test
    void percentileIsBetweenItsNeighboursInProportion() {
        double[] sorted = {1, 2, 4, 8, 16};
        assertThat(Bootstrap.percentile(sorted, 0)).isEqualTo(1);
        assertThat(Bootstrap.percentile(sorted, 1)).isEqualTo(16);
        assertThat(Bootstrap.percentile(sorted, 0.5)).isEqualTo(4);
        assertThat(Bootstrap.percentile(sorted, 0.9)).isCloseTo(12.8, within(1e-12));
        sorted[4] = Double.POSITIVE_INFINITY;
        assertThat(Bootstrap.percentile(sorted, 0.75)).as("no 0 times infinity").isEqualTo(8);
    }

    @Test
    void pairsTellModelsApartThatTheirOwnIntervalsDoNot() throws IOException {
        // The same model but for a small penalty everywhere: windows differ far more than the models do.
        BigramModel better = new BigramModel(7, 1);
        BigramModel worse = new BigramModel(7, 1) {
            @Override
            float[] logits(int token, int position) {
                float[] logits = super.logits(token, position);
                for (int i = 0; i < logits.length; i++) {
                    logits[i] *= 1.02f;
                }
                return logits;
            }
        };
        List<int[]> ids = new ArrayList<>();
        for (int w = 0; w < 12; w++) {
            ids.add(random.ints(10, 0, 7).toArray());
        }
        Models models = new Models(
                better,
                List.of(new Models.Measured(better, WindowStore.NONE), new Models.Measured(worse, WindowStore.NONE)));
        List<Scores> scores =
                Scores.of(models, Windows.of(ids, new int[0], Scoring.WHOLE_WINDOW), new Work(1, Progress.NONE));
        Interval one = scores.getFirst().perplexity().interval();
        Interval other = scores.getLast().perplexity().interval();
        assertThat(one.high()).isGreaterThan(other.low());
        Interval difference = scores.getLast().nllLess(scores.getFirst());
        assertThat(difference.value()).isCloseTo(Math.log(other.value() / one.value()), within(1e-9));
        assertThat(difference.excludesZero()).isTrue();
        assertThat(scores.getFirst().nllLess(scores.getFirst()).excludesZero()).isFalse();
        assertThat(scores.getLast().klLess(scores.getFirst()).value())
                .isCloseTo(scores.getLast().divergence().kl().mean().value(), within(1e-12));
        assertThat(scores.getLast().originalPerplexity())
                .isEqualTo(scores.getFirst().perplexity());
    }
}
