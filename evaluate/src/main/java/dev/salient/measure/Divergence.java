package dev.salient.measure;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How far a model's predictions are from those of the original, over the counted tokens.
 *
 * @param kl KL(original || model) of a token, nats
 * @param topOne share of tokens where both hold the same token for the likeliest, 0 to 1
 * @param topFive share of tokens where the original's likeliest is among the model's five likeliest, 0 to 1
 * @param rightToken change of the probability of the text's own token
 * @param klByPosition by position in the window
 */
public record Divergence(Kl kl, Interval topOne, Interval topFive, RightToken rightToken, List<Position> klByPosition) {
    private static final int STRETCHES = 16;

    public Divergence {
        klByPosition = List.copyOf(klByPosition);
    }

    /**
     * How the divergence is spread over tokens.
     *
     * @param mean with its 95 % interval
     * @param p999 the 99.9th percentile
     */
    public record Kl(Interval mean, double median, double p90, double p99, double p999, double max) {}

    /**
     * The probability that the model gives the text's token, less the one that the original gives it.
     *
     * @param mean with its 95 % interval
     * @param rms root of the mean square
     */
    public record RightToken(Interval mean, double rms) {}

    /**
     * KL at some positions of the window, where its first token has position 0.
     *
     * @param to the last of them
     * @param mean over their counted tokens, nats
     */
    public record Position(int from, int to, double mean) {}

    static Divergence of(Scores scores) {
        for (WindowScores window : scores.windows()) {
            if (!window.compared()) {
                throw new IllegalArgumentException("divergence: got scores without an original, want one to compare");
            }
        }
        return new Divergence(kl(scores), share(scores, 1), share(scores, 5), rightToken(scores), byPosition(scores));
    }

    private static Kl kl(Scores scores) {
        double[] sums = scores.sums(window -> Scores.sum(window, window::kl));
        double[] all = scores.windows().stream()
                .flatMapToDouble(window ->
                        java.util.stream.IntStream.range(0, window.tokens()).mapToDouble(window::kl))
                .sorted()
                .toArray();
        return new Kl(
                Bootstrap.mean(sums, scores.counts()),
                Bootstrap.percentile(all, 0.5),
                Bootstrap.percentile(all, 0.9),
                Bootstrap.percentile(all, 0.99),
                Bootstrap.percentile(all, 0.999),
                all[all.length - 1]);
    }

    private static Interval share(Scores scores, int likeliest) {
        double[] sums =
                scores.sums(window -> Scores.sum(window, token -> window.rankOfFavourite(token) < likeliest ? 1 : 0));
        return Bootstrap.mean(sums, scores.counts());
    }

    private static RightToken rightToken(Scores scores) {
        double[] sums = scores.sums(window -> Scores.sum(window, token -> change(window, token)));
        double[] squares = scores.sums(window -> Scores.sum(window, token -> Math.pow(change(window, token), 2)));
        double mean =
                Arrays.stream(squares).sum() / Arrays.stream(scores.counts()).sum();
        return new RightToken(Bootstrap.mean(sums, scores.counts()), Math.sqrt(mean));
    }

    private static double change(WindowScores window, int token) {
        return Math.exp(-window.nll(token)) - Math.exp(-window.originalNll(token));
    }

    private static List<Position> byPosition(Scores scores) {
        int longest = scores.windows().stream()
                .mapToInt(window -> window.first() + window.tokens())
                .max()
                .orElseThrow();
        int width = (longest + STRETCHES - 1) / STRETCHES;
        double[] sums = new double[STRETCHES];
        long[] counts = new long[STRETCHES];
        for (WindowScores window : scores.windows()) {
            for (int token = 0; token < window.tokens(); token++) {
                int stretch = (window.first() + token - 1) / width;
                sums[stretch] += window.kl(token);
                counts[stretch]++;
            }
        }
        List<Position> positions = new ArrayList<>();
        for (int s = 0; s < STRETCHES; s++) {
            if (counts[s] > 0) {
                positions.add(new Position(s * width + 1, Math.min((s + 1) * width, longest - 1), sums[s] / counts[s]));
            }
        }
        return positions;
    }
}
