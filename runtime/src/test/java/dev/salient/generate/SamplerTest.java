package dev.salient.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SamplerTest {
    static LongStream seeds() {
        return LongStream.range(0, 300);
    }

    private static Sampling randomSampling(Random random) {
        return new Sampling(
                0.2 + 2 * random.nextDouble(),
                random.nextBoolean() ? 1 : 0.01 + 0.98 * random.nextDouble(),
                random.nextBoolean() ? 0 : 1 + random.nextInt(20),
                random.nextBoolean() ? 0 : random.nextDouble(),
                random.nextBoolean() ? 1 : 0.5 + random.nextDouble(),
                random.nextLong());
    }

    private static float[] randomLogits(Random random) {
        float[] logits = new float[1 + random.nextInt(40)];
        for (int i = 0; i < logits.length; i++) {
            // Some logits are equal, some impossible.
            logits[i] = random.nextInt(12) == 0 ? Float.NEGATIVE_INFINITY : random.nextInt(-8, 9) / 2f;
        }
        logits[random.nextInt(logits.length)] = 1;
        return logits;
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void filtersAgreeWithANaiveReadingOfTransformers(long seed) {
        Random random = new Random(seed);
        Sampling sampling = randomSampling(random);
        float[] logits = randomLogits(random);
        BitSet seen = BitSet.valueOf(new long[] {random.nextLong()});
        double[] want = naive(sampling, logits, seen);
        double[] got = new Sampler(sampling).probabilities(logits.clone(), seen);
        for (int id = 0; id < logits.length; id++) {
            assertThat(got[id]).as("token %d of %s", id, sampling).isCloseTo(want[id], within(1e-6));
        }
    }

    /** Step after step on whole arrays, as the logits processors do it. */
    private static double[] naive(Sampling sampling, float[] logits, BitSet seen) {
        double[] scores = new double[logits.length];
        for (int i = 0; i < scores.length; i++) {
            float penalty = seen.get(i) ? (float) sampling.repetitionPenalty() : 1;
            float score = logits[i] < 0 ? logits[i] * penalty : logits[i] / penalty;
            scores[i] = (float) (score / sampling.temperature());
        }
        double[] before = scores.clone();
        if (sampling.topK() > 0) {
            double[] sorted = before.clone();
            Arrays.sort(sorted);
            double least = sorted[Math.max(0, sorted.length - sampling.topK())];
            IntStream.range(0, scores.length).filter(i -> before[i] < least).forEach(i -> scores[i] = Double.NaN);
        }
        if (sampling.topP() < 1) {
            double[] probabilities = softmax(scores);
            // Of equal tokens the one with the higher id goes first.
            List<Integer> rising = IntStream.range(0, scores.length)
                    .boxed()
                    .sorted(Comparator.<Integer>comparingDouble(i -> probabilities[i])
                            .thenComparing(Comparator.<Integer>reverseOrder()))
                    .toList();
            double sum = 0;
            for (int i : rising.subList(0, rising.size() - 1)) {
                sum += probabilities[i];
                if (sum <= 1 - sampling.topP()) {
                    scores[i] = Double.NaN;
                }
            }
        }
        double[] probabilities = softmax(scores);
        double best = Arrays.stream(probabilities).max().orElseThrow();
        for (int i = 0; i < scores.length; i++) {
            if (probabilities[i] < sampling.minP() * best) {
                scores[i] = Double.NaN;
            }
        }
        return softmax(scores);
    }

    private static double[] softmax(double[] scores) {
        double[] weights = Arrays.stream(scores)
                .map(s -> Double.isNaN(s) ? 0 : Math.exp(s))
                .toArray();
        double total = Arrays.stream(weights).sum();
        return Arrays.stream(weights).map(w -> w / total).toArray();
    }

    @Test
    void drawsFollowTheProbabilities() {
        Sampling sampling = new Sampling(0.8, 0.95, 0, 0, 1, 5);
        float[] logits = {1, 3, 2, -4, 2.5f};
        double[] want = new Sampler(sampling).probabilities(logits.clone(), new BitSet());
        int[] count = new int[logits.length];
        Sampler sampler = new Sampler(sampling);
        int draws = 20_000;
        for (int i = 0; i < draws; i++) {
            count[sampler.next(logits.clone(), new BitSet())]++;
        }
        for (int id = 0; id < count.length; id++) {
            // Five standard deviations of a binomial share.
            double bound = 5 * Math.sqrt(want[id] * (1 - want[id]) / draws);
            assertThat(count[id] / (double) draws).isCloseTo(want[id], within(bound));
        }
    }

    @Test
    void oneSeedGivesOneSequence() {
        Random random = new Random(1);
        Sampler one = new Sampler(new Sampling(1, 1, 0, 0, 1, 42));
        Sampler same = new Sampler(new Sampling(1, 1, 0, 0, 1, 42));
        for (int i = 0; i < 50; i++) {
            float[] logits = randomLogits(random);
            assertThat(one.next(logits.clone(), new BitSet())).isEqualTo(same.next(logits, new BitSet()));
        }
    }

    @Test
    void greedyTakesTheLowestIdOfTheMostLikelyTokens() {
        Sampler greedy = new Sampler(Sampling.greedy());
        assertThat(greedy.next(new float[] {1, 7, 7, -1}, new BitSet())).isEqualTo(1);
        Sampler penalized = new Sampler(new Sampling(0, 1, 0, 0, 2, 0));
        BitSet seen = new BitSet();
        seen.set(1);
        assertThat(penalized.next(new float[] {1, 7, 6.5f, -1}, seen)).isEqualTo(2);
    }

    @Test
    void logitsThatAreNoNumbersAreRefused() {
        assertThatThrownBy(() -> new Sampler(Sampling.greedy()).next(new float[] {0, Float.NaN}, new BitSet()))
                .isInstanceOf(ArithmeticException.class)
                .hasMessage("logits: got NaN for token 1, want a number");
    }

    @Test
    void settingsOutsideTheirRangeAreRefused() {
        assertRefused(() -> new Sampling(-1, 1, 0, 0, 1, 0), "temperature: got -1.0, want a number of at least 0");
        assertRefused(() -> new Sampling(1, 0, 0, 0, 1, 0), "top-p: got 0.0, want more than 0 and at most 1");
        assertRefused(() -> new Sampling(1, 1, -1, 0, 1, 0), "top-k: got -1, want 0 or more");
        assertRefused(() -> new Sampling(1, 1, 0, 1.5, 1, 0), "min-p: got 1.5, want 0 to 1");
        assertRefused(() -> new Sampling(1, 1, 0, 0, 0, 0), "repetition penalty: got 0.0, want more than 0");
    }

    private static void assertRefused(Runnable make, String message) {
        assertThatThrownBy(make::run)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }
}
