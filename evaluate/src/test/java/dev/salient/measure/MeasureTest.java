package dev.salient.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;

class MeasureTest {
    private static final int VOCAB = 7;
    private static final int[] NONE = {};

    private static List<int[]> ids(int... lengths) {
        Random random = new Random(3);
        List<int[]> windows = new ArrayList<>();
        for (int length : lengths) {
            windows.add(random.ints(length, 0, VOCAB).toArray());
        }
        return windows;
    }

    private static Scores scores(Models models, Windows windows) throws IOException {
        return Scores.of(models, windows, new Work(2, Progress.NONE)).getFirst();
    }

    private static double naiveNll(float[] logits, int token) {
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit);
        }
        return -Math.log(Math.exp(logits[token]) / sum);
    }

    private static double naiveKl(float[] p, float[] q) {
        double sum = 0;
        for (int i = 0; i < p.length; i++) {
            sum += Math.exp(-naiveNll(p, i)) * (naiveNll(q, i) - naiveNll(p, i));
        }
        return sum;
    }

    /** Whether the likeliest of one is among the likeliest of the other, by sorting. */
    private static boolean naiveAmong(int likeliest, float[] p, float[] q) {
        return order(q).subList(0, likeliest).contains(order(p).getFirst());
    }

    private static List<Integer> order(float[] logits) {
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < logits.length; i++) {
            order.add(i);
        }
        order.sort((a, b) -> Float.compare(logits[b], logits[a])); // stable: the lower id first
        return order;
    }

    @Test
    void perplexityIsTheExponentOfTheMeanOverAllButTheFirstTokens() throws IOException {
        BigramModel model = new BigramModel(VOCAB, 1);
        List<int[]> ids = ids(20, 9, 2);
        List<Double> heard = new ArrayList<>();
        Work work = new Work(3, (done, all, value) -> heard.add(value));
        Windows windows = Windows.of(ids, NONE, Scoring.WHOLE_WINDOW);
        Scores got = Scores.of(Models.of(model), windows, work).getFirst();
        double all = 0;
        for (int w = 0; w < ids.size(); w++) {
            int[] window = ids.get(w);
            double sum = 0;
            for (int i = 1; i < window.length; i++) {
                sum += naiveNll(model.logits(window[i - 1], i - 1), window[i]);
            }
            assertThat(got.windows().get(w).meanNll()).isCloseTo(sum / (window.length - 1), within(1e-9));
            assertThat(got.windows().get(w).tokens()).isEqualTo(window.length - 1);
            all += sum;
        }
        double want = Math.exp(all / 28);
        assertThat(got.perplexity().value()).isCloseTo(want, within(1e-9 * want));
        assertThat(got.perplexity().tokens()).isEqualTo(28);
        assertThat(windows.tokens()).isEqualTo(28);
        assertThat(heard).hasSize(3);
        assertThat(heard.getLast()).isCloseTo(want, within(1e-9 * want));
        assertThat(model.fed)
                .as("the last token of a window is predicted, not fed")
                .isEqualTo(28);
    }

    @Test
    void leadingTokenGoesBeforeEachWindowAndCountsNothing() throws IOException {
        BigramModel model = new BigramModel(VOCAB, 1);
        List<int[]> ids = ids(12, 12);
        Scores got = scores(Models.of(model), Windows.of(ids, new int[] {5}, Scoring.WHOLE_WINDOW));
        double sum = 0;
        for (int[] window : ids) {
            for (int i = 1; i < window.length; i++) {
                sum += naiveNll(model.logits(window[i - 1], i), window[i]);
            }
        }
        assertThat(got.tokens()).isEqualTo(22);
        double want = Math.exp(sum / 22);
        assertThat(got.perplexity().value()).isCloseTo(want, within(1e-9 * want));
    }

    @Test
    void severalLeadingTokensGoBeforeEachWindowOrInPlaceOfItsFirst() throws IOException {
        BigramModel model = new BigramModel(VOCAB, 1);
        List<int[]> ids = ids(12);
        int[] window = ids.getFirst();
        int[] leading = {4, 5, 6};
        double whole = 0;
        for (int i = 1; i < window.length; i++) {
            whole += naiveNll(model.logits(window[i - 1], i + 2), window[i]) / 11;
        }
        double half = 0;
        for (int i = 6; i < 11; i++) {
            half += naiveNll(model.logits(window[i], i), window[i + 1]) / 5;
        }
        Scores before = scores(Models.of(model), Windows.of(ids, leading, Scoring.WHOLE_WINDOW));
        assertThat(before.perplexity().value()).isCloseTo(Math.exp(whole), within(1e-9 * Math.exp(whole)));
        Scores instead = scores(Models.of(model), Windows.of(ids, leading, Scoring.SECOND_HALF));
        assertThat(instead.perplexity().value()).isCloseTo(Math.exp(half), within(1e-9 * Math.exp(half)));
        assertThatThrownBy(() -> Windows.of(ids, new int[7], Scoring.SECOND_HALF))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("leading tokens: got 7, want at most 6, a window's first half");
    }

    @Test
    void secondHalvesCountAsLlamaCppCountsForPerplexityAndKl() throws IOException {
        BigramModel original = new BigramModel(VOCAB, 1);
        BigramModel model = new BigramModel(VOCAB, 2);
        List<int[]> ids = ids(12, 12);
        Windows windows = Windows.of(ids, new int[] {5}, Scoring.SECOND_HALF);
        Scores got = scores(Models.of(model, original), windows);
        double nll = 0;
        double kl = 0;
        for (int[] window : ids) {
            // Positions 6 to 10 predict tokens 7 to 11.
            for (int i = 6; i < 11; i++) {
                nll += naiveNll(model.logits(window[i], i), window[i + 1]);
                kl += naiveKl(original.logits(window[i], i), model.logits(window[i], i));
            }
        }
        assertThat(got.tokens()).isEqualTo(10);
        assertThat(got.perplexity().value()).isCloseTo(Math.exp(nll / 10), within(1e-9 * Math.exp(nll / 10)));
        assertThat(got.divergence().kl().mean().value()).isCloseTo(kl / 10, within(1e-9));
        assertThat(got.divergence().klByPosition().getFirst().from()).isEqualTo(7);
    }

    @Test
    void overlappingWindowsCountEveryTokenOnceWithTheContextOfItsWindow() throws IOException {
        BigramModel model = new BigramModel(VOCAB, 1);
        int[] text = ids(32).getFirst();
        List<int[]> ids = new ArrayList<>();
        for (int start = 0; start + 12 <= text.length; start += 5) {
            ids.add(java.util.Arrays.copyOfRange(text, start, start + 12));
        }
        assertThat(ids).hasSize(5);
        Scores got = scores(Models.of(model), Windows.overlapping(ids, 5, NONE));
        double sum = 0;
        for (int at = 1; at < 32; at++) {
            // The first window that holds the token, as late in it as may be.
            int window = at < 12 ? 0 : (at - 12) / 5 + 1;
            int position = at - 5 * window;
            sum += naiveNll(model.logits(text[at - 1], position - 1), text[at]);
        }
        assertThat(got.tokens()).isEqualTo(31);
        assertThat(got.perplexity().value()).isCloseTo(Math.exp(sum / 31), within(1e-9 * Math.exp(sum / 31)));
        assertThatThrownBy(() -> Windows.overlapping(ids, 13, NONE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("stride: got 13, want 1 to 12, the window's tokens");
    }

    @Test
    void modelDoesNotDivergeFromItself() throws IOException {
        BigramModel model = new BigramModel(VOCAB, 1);
        BigramModel twin = new BigramModel(VOCAB, 1);
        Windows windows = Windows.of(ids(40, 70), NONE, Scoring.WHOLE_WINDOW);
        for (Models models : List.of(Models.of(model, model), Models.of(model, twin))) {
            Divergence same = scores(models, windows).divergence();
            assertThat(same.kl()).isEqualTo(new Divergence.Kl(new Interval(0, 0, 0), 0, 0, 0, 0, 0));
            assertThat(same.topOne()).isEqualTo(new Interval(1, 1, 1));
            assertThat(same.topFive()).isEqualTo(new Interval(1, 1, 1));
            assertThat(same.rightToken()).isEqualTo(new Divergence.RightToken(new Interval(0, 0, 0), 0));
        }
        assertThat(model.fed).as("once as both, once beside its twin").isEqualTo(2 * 108);
    }

    @Test
    void divergenceIsItsDefinitionOverTheCountedTokens() throws IOException {
        BigramModel original = new BigramModel(VOCAB, 1);
        BigramModel model = new BigramModel(VOCAB, 2);
        List<int[]> ids = ids(40, 70, 33);
        for (int[] lead : List.of(NONE, new int[] {4})) {
            int shift = lead.length;
            List<Double> kl = new ArrayList<>();
            List<Double> changes = new ArrayList<>();
            int topOne = 0;
            int topFive = 0;
            double late = 0;
            for (int[] window : ids) {
                for (int i = 0; i + 1 < window.length; i++) {
                    float[] p = original.logits(window[i], i + shift);
                    float[] q = model.logits(window[i], i + shift);
                    kl.add(naiveKl(p, q));
                    changes.add(Math.exp(-naiveNll(q, window[i + 1])) - Math.exp(-naiveNll(p, window[i + 1])));
                    topOne += naiveAmong(1, p, q) ? 1 : 0;
                    topFive += naiveAmong(5, p, q) ? 1 : 0;
                    late += i + 1 > 65 ? kl.getLast() : 0;
                }
            }
            Divergence got = scores(Models.of(model, original), Windows.of(ids, lead, Scoring.WHOLE_WINDOW))
                    .divergence();
            assertThat(got.kl().mean().value()).isCloseTo(mean(kl), within(1e-9));
            assertThat(got.kl().max()).isCloseTo(Collections.max(kl), within(1e-9));
            assertThat(got.kl().median()).isCloseTo(naivePercentile(kl, 50, 100), within(1e-9));
            assertThat(got.kl().p90()).isCloseTo(naivePercentile(kl, 90, 100), within(1e-9));
            assertThat(got.kl().p99()).isCloseTo(naivePercentile(kl, 99, 100), within(1e-9));
            assertThat(got.kl().p999()).isCloseTo(naivePercentile(kl, 999, 1000), within(1e-9));
            assertThat(got.topOne().value()).isEqualTo(topOne / 140.0);
            assertThat(got.topFive().value()).isEqualTo(topFive / 140.0).isBetween(0.2, 0.99);
            assertThat(got.rightToken().mean().value()).isCloseTo(mean(changes), within(1e-9));
            double squares =
                    mean(changes.stream().map(change -> change * change).toList());
            assertThat(got.rightToken().rms()).isCloseTo(Math.sqrt(squares), within(1e-9));
            // Sixteen stretches of five positions: 1-5, ..., 66-69; only one window reaches the last.
            assertThat(got.klByPosition()).hasSize(14);
            Divergence.Position last = got.klByPosition().getLast();
            assertThat(last.from()).isEqualTo(66);
            assertThat(last.to()).isEqualTo(69);
            assertThat(last.mean()).isCloseTo(late / 4, within(1e-9));
        }
    }

    private static double mean(List<Double> values) {
        return values.stream().mapToDouble(value -> value).average().orElseThrow();
    }

    /** The value with {@code share / of} of the gaps between sorted values below it. */
    private static double naivePercentile(List<Double> values, int share, int of) {
        List<Double> sorted = values.stream().sorted().toList();
        int gaps = (sorted.size() - 1) * share;
        double low = sorted.get(gaps / of);
        double high = sorted.get(Math.min(sorted.size() - 1, gaps / of + 1));
        return low + (high - low) * (gaps % of) / of;
    }

    @Test
    void longWindowsGoThroughInStretchesWithTheSameScores() throws IOException {
        // 40,000 tokens of vocabulary: the original's logits are held for 838 positions at a time.
        FlatModel model = new FlatModel(40_000, 1);
        FlatModel original = new FlatModel(40_000, 2);
        int[] window = new Random(1).ints(900, 0, 40_000).toArray();
        Windows windows = Windows.of(List.of(window), NONE, Scoring.WHOLE_WINDOW);
        WindowScores got = scores(Models.of(model, original), windows).windows().getFirst();
        for (int token : new int[] {0, 63, 64, 837, 838, 898}) {
            float[] p = original.logits(token);
            float[] q = model.logits(token);
            assertThat(got.kl(token)).isCloseTo(naiveKlFast(p, q), within(1e-9));
            assertThat(got.nll(token)).isCloseTo(LogProbabilities.logSum(q) - q[window[token + 1]], within(1e-9));
        }
        assertThat(model.calls).isEqualTo(2);
    }

    private static double naiveKlFast(float[] p, float[] q) {
        double pSum = LogProbabilities.logSum(p);
        double qSum = LogProbabilities.logSum(q);
        double sum = 0;
        for (int i = 0; i < p.length; i++) {
            sum += Math.exp(p[i] - pSum) * ((p[i] - pSum) - (q[i] - qSum));
        }
        return sum;
    }

    @Test
    void tokensThatNeverComeAddNothingAndThoseThatTheOtherNeverSaysAddInfinitelyMuch() {
        float never = Float.NEGATIVE_INFINITY;
        assertThat(LogProbabilities.compare(new float[] {1, never, 1}, new float[] {3, never, 3})
                        .divergence())
                .isEqualTo(0);
        assertThat(LogProbabilities.compare(new float[] {1, never}, new float[] {3, 3})
                        .divergence())
                .isCloseTo(Math.log(2), within(1e-12));
        assertThat(LogProbabilities.compare(new float[] {1, 1}, new float[] {3, never})
                        .divergence())
                .isEqualTo(Double.POSITIVE_INFINITY);
        assertThatThrownBy(() -> LogProbabilities.logSum(new float[] {1, Float.NaN}))
                .isInstanceOf(ArithmeticException.class)
                .hasMessage("logits: got NaN, want a number");
    }

    @Test
    void nanInOneModelReachesTheCallerFromItsThread() {
        BigramModel broken = new BigramModel(VOCAB, 1) {
            @Override
            float[] logits(int token, int position) {
                float[] logits = super.logits(token, position);
                logits[3] = Float.NaN;
                return logits;
            }
        };
        Windows windows = Windows.of(ids(5), NONE, Scoring.WHOLE_WINDOW);
        assertThatThrownBy(() -> scores(Models.of(broken), windows))
                .isInstanceOf(ArithmeticException.class)
                .hasMessage("logits: got NaN, want a number");
    }

    @Test
    void whatCannotBeMeasuredIsRefused() throws IOException {
        BigramModel model = new BigramModel(VOCAB, 1);
        assertThatThrownBy(() -> Windows.of(List.of(), NONE, Scoring.WHOLE_WINDOW))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("windows: got none, want at least one");
        assertThatThrownBy(() -> Windows.of(List.of(new int[1]), NONE, Scoring.WHOLE_WINDOW))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("window: got 1 tokens, want at least 2, one to see and one to predict");
        assertThatThrownBy(() -> Models.of(new BigramModel(VOCAB + 1, 1), model))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("vocabulary: got 8 tokens, want the original's 7");
        assertThatThrownBy(() -> new Models(null, List.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("models: got none, want at least one");
        assertThatThrownBy(() -> new Work(0, Progress.NONE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("threads: got 0, want 1 or more");
        Scores alone = scores(Models.of(model), Windows.of(ids(5), NONE, Scoring.WHOLE_WINDOW));
        assertThatThrownBy(alone::divergence)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("divergence: got scores without an original, want one to compare");
    }

    @Test
    void interruptedThreadStopsBetweenWindows() {
        BigramModel model = new BigramModel(VOCAB, 1);
        Work interrupting =
                new Work(1, (done, windows, value) -> Thread.currentThread().interrupt());
        Windows windows = Windows.of(ids(5, 5), NONE, Scoring.WHOLE_WINDOW);
        assertThatThrownBy(() -> Scores.of(Models.of(model), windows, interrupting))
                .isInstanceOf(CancellationException.class)
                .hasMessage("interrupted after 1 of 2 windows");
        assertThat(Thread.interrupted()).isTrue();
    }
}
