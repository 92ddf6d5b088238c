package dev.salient.measure;

import dev.salient.model.LanguageModel;
import dev.salient.model.LanguageModel.KvCache;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * How fast a model reads and writes, one sequence at a time.
 *
 * <pre>{@code
 * Speed speed = Speed.of(model, new Speed.Plan(512, 128, 5), Progress.NONE);
 * double tokensPerSecond = speed.decode();
 * }</pre>
 *
 * @param prefill tokens of a prompt that are read in a second; the median of all runs
 * @param decode tokens that are written in a second, each after the one before it; the median of all runs
 * @param prefills tokens per second of each run
 * @param decodes tokens per second of each run
 */
public record Speed(double prefill, double decode, List<Double> prefills, List<Double> decodes) {
    private static final long SEED = 1;

    public Speed {
        prefills = List.copyOf(prefills);
        decodes = List.copyOf(decodes);
    }

    /**
     * What to run.
     *
     * @param prompt tokens that are read first
     * @param generated tokens that are written after them
     * @param runs measured; one more goes before them and doesn't count, so that all code is compiled
     */
    public record Plan(int prompt, int generated, int runs) {
        public Plan {
            requireSome("prompt", prompt);
            requireSome("generated", generated);
            requireSome("runs", runs);
        }

        private static void requireSome(String what, int count) {
            if (count < 1) {
                throw new IllegalArgumentException("%s: got %d, want 1 or more".formatted(what, count));
            }
        }

        /** Tokens of a sequence. */
        public int length() {
            return Math.addExact(prompt, generated);
        }
    }

    /**
     * Measures a model on random tokens: what they are changes nothing about the work.
     *
     * @param progress told of every run, the first one too, with the tokens written in a second so far
     */
    public static Speed of(LanguageModel model, Plan plan, Progress progress) {
        int context = model.config().contextLength();
        if (plan.length() > context) {
            throw new IllegalArgumentException(
                    "tokens: got %d, want at most %d, the context".formatted(plan.length(), context));
        }
        int[] tokens = new SplittableRandom(SEED)
                .ints(plan.length(), 0, model.config().vocabSize())
                .toArray();
        List<Double> prefills = new ArrayList<>();
        List<Double> decodes = new ArrayList<>();
        try (KvCache cache = model.newCache(plan.length())) {
            for (int run = 0; run <= plan.runs(); run++) {
                Windows.stopIfInterrupted("runs", run, plan.runs() + 1);
                cache.truncate(0);
                double prefill = readAll(model, Arrays.copyOf(tokens, plan.prompt()), cache);
                double decode = writeAll(model, Arrays.copyOfRange(tokens, plan.prompt(), tokens.length), cache);
                if (run > 0) {
                    prefills.add(prefill);
                    decodes.add(decode);
                }
                progress.windowDone(run + 1, plan.runs() + 1, decode);
            }
        }
        return new Speed(median(prefills), median(decodes), prefills, decodes);
    }

    private static double readAll(LanguageModel model, int[] prompt, KvCache cache) {
        long start = System.nanoTime();
        model.forwardLast(prompt, cache);
        return perSecond(prompt.length, start);
    }

    private static double writeAll(LanguageModel model, int[] tokens, KvCache cache) {
        long start = System.nanoTime();
        for (int token : tokens) {
            model.forwardLast(new int[] {token}, cache);
        }
        return perSecond(tokens.length, start);
    }

    private static double perSecond(int tokens, long startNanos) {
        return tokens * 1e9 / Math.max(1, System.nanoTime() - startNanos);
    }

    /** The middle one; of an even number the mean of the two in the middle. */
    static double median(List<Double> values) {
        return Bootstrap.percentile(values.stream().mapToDouble(v -> v).sorted().toArray(), 0.5);
    }
}
