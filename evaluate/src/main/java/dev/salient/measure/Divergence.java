package dev.salient.measure;

import dev.salient.model.LanguageModel;
import dev.salient.model.LanguageModel.KvCache;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/**
 * How far a model's predictions are from those of the original, over all but the first token of each window.
 *
 * @param meanKl KL(original || other) of a token, nats, mean over all tokens
 * @param topOneAgreement share of tokens where both hold the same token for the most likely, 0 to 1
 * @param tokens compared
 */
public record Divergence(double meanKl, double topOneAgreement, long tokens) {
    /** Tokens that go through both models before their logits are compared: bounds what is kept of them. */
    private static final int CHUNK = 32;

    /** The two models, in their roles. */
    public record Pair(LanguageModel original, LanguageModel other) {
        public Pair {
            int want = original.config().vocabSize();
            int got = other.config().vocabSize();
            if (got != want) {
                throw new IllegalArgumentException(
                        "vocabulary: got %d tokens, want the original's %d".formatted(got, want));
            }
        }
    }

    /**
     * Runs both models over the same windows.
     *
     * @param windows each of at least 2 ids
     * @param leadingToken the tokenizer's; goes before each window
     */
    public static Divergence of(Pair pair, List<int[]> windows, OptionalInt leadingToken, Progress progress) {
        Windows.requireSome(windows);
        int capacity = Windows.longest(windows);
        Sum sum = new Sum();
        try (KvCache original = pair.original().newCache(capacity);
                KvCache other = pair.other().newCache(capacity)) {
            int done = 0;
            for (int[] window : windows) {
                original.truncate(0);
                other.truncate(0);
                int[] seen = Windows.seen(window, leadingToken, Scoring.WHOLE_WINDOW);
                int uncounted = seen.length - (window.length - 1);
                for (int from = 0; from < seen.length; from += CHUNK) {
                    Windows.stopIfInterrupted("divergence", done, windows.size());
                    int[] chunk = Arrays.copyOfRange(seen, from, Math.min(seen.length, from + CHUNK));
                    float[][] want = new float[chunk.length][];
                    int start = from;
                    pair.original()
                            .forward(chunk, original, (position, logits) -> want[position - start] = logits.clone());
                    pair.other().forward(chunk, other, (position, logits) -> {
                        if (position >= uncounted) {
                            sum.add(want[position - start], logits);
                        }
                    });
                }
                done++;
                progress.windowDone(done, windows.size(), sum.kl / sum.tokens);
            }
        }
        return new Divergence(sum.kl / sum.tokens, (double) sum.agreed / sum.tokens, sum.tokens);
    }

    private static final class Sum {
        private double kl;
        private long agreed;
        private long tokens;

        void add(float[] original, float[] other) {
            kl += LogProbabilities.divergence(original, other);
            agreed += LogProbabilities.mostLikely(original) == LogProbabilities.mostLikely(other) ? 1 : 0;
            tokens++;
        }
    }
}
