package dev.salient.measure;

import dev.salient.model.LanguageModel;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.LanguageModel.Piece;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/**
 * How fast a model reads and writes, one sequence or several together.
 *
 * <pre>{@code
 * Speed speed = Speed.of(model, new Speed.Plan(512, 128, 1, 5), Progress.NONE);
 * double tokensPerSecond = speed.decode();
 * }</pre>
 *
 * @param prefill tokens of all prompts that are read in a second; the median of all runs
 * @param decode tokens that are written in a second, each after the one before it in its sequence, of all sequences
 *     together; the median of all runs
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
     * @param sequences that are read and written together, in one pass
     * @param runs measured; one more goes before them and doesn't count, so that all code is compiled
     */
    public record Plan(int prompt, int generated, int sequences, int runs) {
        public Plan {
            requireSome("prompt", prompt);
            requireSome("generated", generated);
            requireSome("sequences", sequences);
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
        List<KvCache> caches = Stream.generate(() -> model.newCache(plan.length()))
                .limit(plan.sequences())
                .toList();
        try {
            for (int run = 0; run <= plan.runs(); run++) {
                Windows.stopIfInterrupted("runs", run, plan.runs() + 1);
                caches.forEach(cache -> cache.truncate(0));
                long start = System.nanoTime();
                append(model, Arrays.copyOf(tokens, plan.prompt()), caches);
                double prefill = perSecond(plan.sequences() * (long) plan.prompt(), start);
                start = System.nanoTime();
                for (int t = plan.prompt(); t < tokens.length; t++) {
                    append(model, new int[] {tokens[t]}, caches);
                }
                double decode = perSecond(plan.sequences() * (long) plan.generated(), start);
                if (run > 0) {
                    prefills.add(prefill);
                    decodes.add(decode);
                }
                progress.windowDone(run + 1, plan.runs() + 1, decode);
            }
        } finally {
            caches.forEach(KvCache::close);
        }
        return new Speed(median(prefills), median(decodes), prefills, decodes);
    }

    private static void append(LanguageModel model, int[] tokens, List<KvCache> caches) {
        model.forwardLast(caches.stream().map(cache -> new Piece(tokens, cache)).toList());
    }

    private static double perSecond(long tokens, long startNanos) {
        return tokens * 1e9 / Math.max(1, System.nanoTime() - startNanos);
    }

    /** The middle one; of an even number the mean of the two in the middle. */
    static double median(List<Double> values) {
        return Bootstrap.percentile(values.stream().mapToDouble(v -> v).sorted().toArray(), 0.5);
    }
}
