package dev.salient.measure;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * What one model made of a text, token by token: all measures come from it.
 *
 * @param windows in the text's order
 */
public record Scores(List<WindowScores> windows) {
    public Scores {
        windows = List.copyOf(windows);
        if (windows.isEmpty()) {
            throw new IllegalArgumentException("windows: got none, want at least one");
        }
    }

    /**
     * Reads a text with all models, each window once with each, the original's logits shared.
     *
     * @return for each of the models, in their order
     * @throws IOException from a model's store
     */
    public static List<Scores> of(Models models, Windows windows, Work work) throws IOException {
        List<List<WindowScores>> all = new ArrayList<>();
        models.measured().forEach(model -> all.add(new ArrayList<>()));
        double nll = 0;
        long tokens = 0;
        try (Reader reader = new Reader(models, windows, work.threads())) {
            for (int w = 0; w < windows.count(); w++) {
                Windows.stopIfInterrupted("windows", w, windows.count());
                List<WindowScores> window = reader.read(w);
                for (int m = 0; m < window.size(); m++) {
                    all.get(m).add(window.get(m));
                }
                nll += window.getFirst().meanNll() * window.getFirst().tokens();
                tokens += window.getFirst().tokens();
                work.progress().windowDone(w + 1, windows.count(), Math.exp(nll / tokens));
            }
        }
        return all.stream().map(Scores::new).toList();
    }

    /** Tokens that count. */
    public long tokens() {
        return windows.stream().mapToLong(WindowScores::tokens).sum();
    }

    /** Time it took, the original's part too. */
    public double seconds() {
        return windows.stream().mapToDouble(WindowScores::seconds).sum();
    }

    /** How well the model predicts. */
    public Perplexity perplexity() {
        return new Perplexity(Bootstrap.mean(nll(this), counts()).map(Math::exp), tokens());
    }

    /** How well the original predicts. */
    public Perplexity originalPerplexity() {
        double[] sums = sums(window -> sum(window, window::originalNll));
        return new Perplexity(Bootstrap.mean(sums, counts()).map(Math::exp), tokens());
    }

    /** How far the model is from the original. */
    public Divergence divergence() {
        return Divergence.of(this);
    }

    /** The mean negative log-likelihood of a token, less another model's of the same text; paired by windows. */
    public Interval nllLess(Scores other) {
        return less(nll(this), nll(other));
    }

    /** The mean KL of a token, less another model's of the same text; paired by windows. */
    public Interval klLess(Scores other) {
        return less(kl(this), kl(other));
    }

    private Interval less(double[] sums, double[] others) {
        double[] differences = new double[sums.length];
        for (int w = 0; w < sums.length; w++) {
            differences[w] = sums[w] - others[w];
        }
        return Bootstrap.mean(differences, counts());
    }

    private static double[] nll(Scores scores) {
        return scores.sums(window -> sum(window, window::nll));
    }

    private static double[] kl(Scores scores) {
        return scores.sums(window -> sum(window, window::kl));
    }

    /** One number of each window. */
    double[] sums(ToDoubleFunction<WindowScores> ofWindow) {
        return windows.stream().mapToDouble(ofWindow).toArray();
    }

    /** Counted tokens of each window. */
    double[] counts() {
        return sums(WindowScores::tokens);
    }

    /** One number of a token. */
    @FunctionalInterface
    interface OfToken {
        double at(int token);
    }

    static double sum(WindowScores window, OfToken ofToken) {
        double sum = 0;
        for (int token = 0; token < window.tokens(); token++) {
            sum += ofToken.at(token);
        }
        return sum;
    }
}
