package dev.salient.measure;

import dev.salient.model.LanguageModel;
import dev.salient.model.LanguageModel.KvCache;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * How well a model predicts a text: {@code exp(sum of nll / count)} over the counted tokens of separate windows.
 *
 * <pre>{@code
 * List<int[]> windows = corpus.adjacentWindows(2048, Integer.MAX_VALUE);
 * Perplexity perplexity = Perplexity.of(model, windows, tokenizer.leadingToken(), Progress.NONE);
 * }</pre>
 *
 * @param perplexity over all counted tokens
 * @param tokens counted
 * @param scoring which tokens of a window count
 * @param windows in the text's order
 */
public record Perplexity(double perplexity, long tokens, Scoring scoring, List<WindowLoss> windows) {
    public Perplexity {
        windows = List.copyOf(windows);
    }

    /**
     * "HF": over all but the first token of each window.
     *
     * @param windows each of at least 2 ids
     * @param leadingToken the tokenizer's; goes before each window
     */
    public static Perplexity of(LanguageModel model, List<int[]> windows, OptionalInt leadingToken, Progress progress) {
        return measure(model, windows, leadingToken, new Reading(Scoring.WHOLE_WINDOW, progress));
    }

    /**
     * As llama.cpp counts: over the second half of each window.
     *
     * @param windows each of at least 4 ids
     * @param leadingToken the tokenizer's; replaces each window's first
     */
    public static Perplexity ofSecondHalves(
            LanguageModel model, List<int[]> windows, OptionalInt leadingToken, Progress progress) {
        return measure(model, windows, leadingToken, new Reading(Scoring.SECOND_HALF, progress));
    }

    private record Reading(Scoring scoring, Progress progress) {}

    private static Perplexity measure(
            LanguageModel model, List<int[]> windows, OptionalInt leadingToken, Reading reading) {
        Windows.requireSome(windows);
        List<WindowLoss> losses = new ArrayList<>();
        double sum = 0;
        long tokens = 0;
        try (KvCache cache = model.newCache(Windows.longest(windows))) {
            for (int[] window : windows) {
                Windows.stopIfInterrupted("perplexity", losses.size(), windows.size());
                int[] seen = Windows.seen(window, leadingToken, reading.scoring());
                Loss loss = new Loss(window, seen.length - (window.length - 1), reading.scoring());
                cache.truncate(0);
                model.forward(seen, cache, loss);
                losses.add(new WindowLoss(loss.sum / loss.count, loss.count));
                sum += loss.sum;
                tokens += loss.count;
                reading.progress().windowDone(losses.size(), windows.size(), Math.exp(sum / tokens));
            }
        }
        return new Perplexity(Math.exp(sum / tokens), tokens, reading.scoring(), losses);
    }

    /** Adds up one window. */
    private static final class Loss implements LanguageModel.LogitsSink {
        private final int[] window;
        private final int shift;
        private final int first;
        private double sum;
        private int count;

        /**
         * Starts at nothing.
         *
         * @param shift tokens before the window
         */
        Loss(int[] window, int shift, Scoring scoring) {
            this.window = window;
            this.shift = shift;
            this.first = Math.min(scoring.first(window.length), window.length - 1);
        }

        @Override
        public void accept(int position, float[] logits) {
            int predicted = position - shift + 1;
            if (predicted >= first) {
                sum += LogProbabilities.logSum(logits) - logits[window[predicted]];
                count++;
            }
        }
    }
}
