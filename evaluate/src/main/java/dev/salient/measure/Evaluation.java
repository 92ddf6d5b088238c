package dev.salient.measure;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * All that was measured of one model, as plain data.
 *
 * @param divergence null where there was no original
 * @param tasks zero-shot tasks; empty where none was asked for
 * @param generation what the model writes; null where it was not looked at
 * @param rates how fast it is; null where that was not measured
 * @param warnings what a reader of the numbers should know
 * @param seconds that it took
 */
public record Evaluation(
        Subject subject,
        Text text,
        Perplexity perplexity,
        @Nullable Divergence divergence,
        List<Task> tasks,
        @Nullable Generation generation,
        @Nullable Rates rates,
        List<String> warnings,
        double seconds) {
    public Evaluation {
        tasks = List.copyOf(tasks);
        warnings = List.copyOf(warnings);
    }

    /**
     * The model.
     *
     * @param name of its folder or file
     * @param sha256 of its weights and configuration
     * @param original the original's name, or null
     * @param version of the program that measured
     * @param bitsPerWeight of the block linears, all that they need
     * @param weightBytes of all files with weights
     */
    public record Subject(
            String name,
            String sha256,
            @Nullable String original,
            String version,
            double bitsPerWeight,
            long weightBytes) {}

    /**
     * What was read.
     *
     * @param sha256 of the files' bytes
     * @param set {@code quick}, {@code full} or the number of windows
     * @param window tokens of each
     * @param stride tokens from one window's start to the next
     * @param tokens counted
     */
    public record Text(
            String name,
            String sha256,
            String set,
            int window,
            int stride,
            int windows,
            long tokens,
            Scoring scoring) {}

    /**
     * A zero-shot task.
     *
     * @param acc share of items where the right choice has the largest log-likelihood
     * @param accNorm share of items where it has the largest log-likelihood a character
     */
    public record Task(
            String name, int items, double acc, double accStandardError, double accNorm, double accNormStandardError) {}

    /**
     * What a model writes.
     *
     * @param collapsed whether it writes no text any more
     * @param reasons what speaks for that
     */
    public record Generation(boolean collapsed, List<String> reasons, List<Sample> samples) {
        public Generation {
            reasons = List.copyOf(reasons);
            samples = List.copyOf(samples);
        }
    }

    /**
     * A text that was written.
     *
     * @param original what the original writes, or null
     */
    public record Sample(
            String prompt, String text, @Nullable String original) {}

    /**
     * How fast a model is.
     *
     * @param prefill tokens of a prompt read in a second
     * @param decode tokens written in a second
     * @param threads that computed
     */
    public record Rates(double prefill, double decode, int threads) {}
}
