package dev.salient.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;

class MeasureTest {
    private static final int VOCAB = 7;
    private static final OptionalInt NONE = OptionalInt.empty();

    private static List<int[]> windows(int... lengths) {
        Random random = new Random(3);
        List<int[]> windows = new ArrayList<>();
        for (int length : lengths) {
            // Token 0 and the position's own token are always possible, the others mostly.
            windows.add(random.ints(length, 0, 1).toArray());
            for (int i = 1; i < length; i += 3) {
                windows.getLast()[i] = (i - 1) % VOCAB;
            }
        }
        return windows;
    }

    private static double naiveNll(float[] logits, int token) {
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit);
        }
        return -Math.log(Math.exp(logits[token]) / sum);
    }

    @Test
    void perplexityIsTheExponentOfTheMeanOverAllButTheFirstTokens() {
        BigramModel model = new BigramModel(VOCAB, 1);
        List<int[]> windows = windows(20, 9, 2);
        List<Double> heard = new ArrayList<>();
        Perplexity got = Perplexity.of(model, windows, NONE, (done, all, value) -> heard.add(value));
        double all = 0;
        for (int w = 0; w < windows.size(); w++) {
            int[] window = windows.get(w);
            double sum = 0;
            for (int i = 1; i < window.length; i++) {
                sum += naiveNll(model.logits(window[i - 1], i - 1), window[i]);
            }
            assertThat(got.windows().get(w).meanNll()).isCloseTo(sum / (window.length - 1), within(1e-9));
            assertThat(got.windows().get(w).tokens()).isEqualTo(window.length - 1);
            all += sum;
        }
        assertThat(got.perplexity()).isCloseTo(Math.exp(all / 28), within(1e-9 * got.perplexity()));
        assertThat(got.tokens()).isEqualTo(28);
        assertThat(got.scoring()).isEqualTo(Scoring.WHOLE_WINDOW);
        assertThat(heard).hasSize(3).endsWith(got.perplexity());
        assertThat(model.fed)
                .as("the last token of a window is predicted, not fed")
                .isEqualTo(28);
    }

    @Test
    void leadingTokenGoesBeforeEachWindowAndCountsNothing() {
        BigramModel model = new BigramModel(VOCAB, 1);
        List<int[]> windows = windows(12, 12);
        Perplexity got = Perplexity.of(model, windows, OptionalInt.of(5), Progress.NONE);
        double sum = 0;
        for (int[] window : windows) {
            for (int i = 1; i < window.length; i++) {
                sum += naiveNll(model.logits(window[i - 1], i), window[i]);
            }
        }
        assertThat(got.tokens()).isEqualTo(22);
        assertThat(got.perplexity()).isCloseTo(Math.exp(sum / 22), within(1e-9 * got.perplexity()));
    }

    @Test
    void secondHalvesCountAsLlamaCppCounts() {
        BigramModel model = new BigramModel(VOCAB, 1);
        List<int[]> windows = windows(12, 12);
        Perplexity got = Perplexity.ofSecondHalves(model, windows, OptionalInt.of(5), Progress.NONE);
        double sum = 0;
        for (int[] window : windows) {
            // Positions 6 to 10 predict tokens 7 to 11.
            for (int i = 6; i < 11; i++) {
                sum += naiveNll(model.logits(window[i], i), window[i + 1]);
            }
        }
        assertThat(got.tokens()).isEqualTo(10);
        assertThat(got.scoring()).isEqualTo(Scoring.SECOND_HALF);
        assertThat(got.perplexity()).isCloseTo(Math.exp(sum / 10), within(1e-9 * got.perplexity()));
    }

    @Test
    void modelDoesNotDivergeFromItself() {
        BigramModel model = new BigramModel(VOCAB, 1);
        Divergence same = Divergence.of(new Divergence.Pair(model, model), windows(40, 70), NONE, Progress.NONE);
        assertThat(same).isEqualTo(new Divergence(0, 1, 108));
    }

    @Test
    void divergenceIsTheMeanOverTokensOfTheDefinition() {
        BigramModel original = new BigramModel(VOCAB, 1);
        BigramModel other = new BigramModel(VOCAB, 2);
        List<int[]> windows = windows(40, 70, 33);
        for (OptionalInt lead : List.of(NONE, OptionalInt.of(4))) {
            int shift = lead.isPresent() ? 1 : 0;
            double sum = 0;
            int agreed = 0;
            int tokens = 0;
            for (int[] window : windows) {
                for (int i = 0; i + 1 < window.length; i++) {
                    float[] p = original.logits(window[i], i + shift);
                    float[] q = other.logits(window[i], i + shift);
                    sum += naiveKl(p, q);
                    agreed += LogProbabilities.mostLikely(p) == LogProbabilities.mostLikely(q) ? 1 : 0;
                    tokens++;
                }
            }
            Divergence got = Divergence.of(new Divergence.Pair(original, other), windows, lead, Progress.NONE);
            assertThat(got.meanKl()).isCloseTo(sum / tokens, within(1e-9));
            assertThat(got.topOneAgreement()).isEqualTo((double) agreed / tokens);
            assertThat(got.tokens()).isEqualTo(140);
        }
    }

    private static double naiveKl(float[] p, float[] q) {
        double sum = 0;
        for (int i = 0; i < p.length; i++) {
            double logP = -naiveNll(p, i);
            if (p[i] > Float.NEGATIVE_INFINITY) {
                sum += Math.exp(logP) * (logP + naiveNll(q, i));
            }
        }
        return sum;
    }

    @Test
    void tokensThatNeverComeAddNothingAndThoseThatTheOtherNeverSaysAddInfinitelyMuch() {
        float never = Float.NEGATIVE_INFINITY;
        assertThat(LogProbabilities.divergence(new float[] {1, never, 1}, new float[] {3, never, 3}))
                .isEqualTo(0);
        assertThat(LogProbabilities.divergence(new float[] {1, never}, new float[] {3, 3}))
                .isCloseTo(Math.log(2), within(1e-12));
        assertThat(LogProbabilities.divergence(new float[] {1, 1}, new float[] {3, never}))
                .isEqualTo(Double.POSITIVE_INFINITY);
        assertThatThrownBy(() -> LogProbabilities.logSum(new float[] {1, Float.NaN}))
                .isInstanceOf(ArithmeticException.class)
                .hasMessage("logits: got NaN, want a number");
    }

    @Test
    void whatCannotBeMeasuredIsRefused() {
        BigramModel model = new BigramModel(VOCAB, 1);
        assertThatThrownBy(() -> Perplexity.of(model, List.of(), NONE, Progress.NONE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("windows: got none, want at least one");
        assertThatThrownBy(() -> Perplexity.of(model, List.of(new int[1]), NONE, Progress.NONE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("window: got 1 tokens, want at least 2, one to see and one to predict");
        assertThatThrownBy(() -> new Divergence.Pair(model, new BigramModel(VOCAB + 1, 1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("vocabulary: got 8 tokens, want the original's 7");
    }

    @Test
    void interruptedThreadStopsBetweenWindows() {
        BigramModel model = new BigramModel(VOCAB, 1);
        Progress interrupt = (done, windows, value) -> Thread.currentThread().interrupt();
        assertThatThrownBy(() -> Perplexity.of(model, windows(5, 5), NONE, interrupt))
                .isInstanceOf(CancellationException.class)
                .hasMessage("perplexity: interrupted after 1 of 2 windows");
        assertThat(Thread.interrupted()).isTrue();
        Divergence.Pair pair = new Divergence.Pair(model, model);
        assertThatThrownBy(() -> Divergence.of(pair, windows(5, 5), NONE, interrupt))
                .isInstanceOf(CancellationException.class)
                .hasMessage("divergence: interrupted after 1 of 2 windows");
        assertThat(Thread.interrupted()).isTrue();
    }
}
