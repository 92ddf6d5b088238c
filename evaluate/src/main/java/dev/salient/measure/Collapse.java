package dev.salient.measure;

import com.google.errorprone.annotations.FormatMethod;
import dev.salient.generate.Ending;
import dev.salient.generate.Generation;
import dev.salient.generate.Sampling;
import dev.salient.generate.Session;
import dev.salient.model.LanguageModel;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Whether a model still writes text: what it writes after a few plain prompts, and what is wrong with that.
 *
 * <p>The verdict looks at drawn text only. Small models that are well often loop where the likeliest token is always
 * taken; one that loops where tokens are drawn has lost its distribution.
 *
 * <pre>{@code
 * Collapse before = Collapse.of(original, tokenizer, Progress.NONE);
 * Collapse after = Collapse.of(model, tokenizer, Progress.NONE);
 * List<String> reasons = after.reasons(before); // none: it writes text
 * }</pre>
 *
 * @param greedy a text a prompt, the likeliest token always
 * @param drawn a text a prompt, tokens drawn from those that hold 95 % at temperature 0.8, seeded
 * @param promptLoss negative log-likelihood of a prompt's token, nats, mean over all prompts
 * @param blindLoss what a uniform guess would have, nats
 */
public record Collapse(List<WrittenText> greedy, List<WrittenText> drawn, double promptLoss, double blindLoss) {
    /** Plain openings that any English text might have. */
    public static final List<String> PROMPTS = List.of(
            "The old bridge across the river was built by the people of the town, who",
            "To make a simple vegetable soup, cut the onions and",
            "The main difference between a lake and the sea is that",
            "Anna opened the letter and read it twice. Then she",
            "It had rained all week, and the farmers were afraid that",
            "A good library is a quiet place where people can");

    private static final int TOKENS = 48;
    private static final double TEMPERATURE = 0.8;
    private static final double TOP_P = 0.95;

    /** Share of barren texts: a model may end one or two at once. */
    private static final double MOST_BARREN = 0.5;

    /** Share of repeated runs, and how much more than the original's it has to be. */
    private static final double MOST_REPEATED = 0.5;

    private static final double MORE_REPEATED = 0.3;

    /** Of the largest entropy there can be. */
    private static final double MOST_ENTROPY = 0.9;

    public Collapse {
        greedy = List.copyOf(greedy);
        drawn = List.copyOf(drawn);
        if (drawn.isEmpty()) {
            throw new IllegalArgumentException("drawn texts: got none, want at least one");
        }
    }

    /**
     * Lets a model write.
     *
     * @param progress told of each prompt, with the share of repeated runs in what was drawn after it
     */
    public static Collapse of(LanguageModel model, Tokenizer tokenizer, Progress progress) {
        List<int[]> prompts =
                PROMPTS.stream().map(prompt -> ids(tokenizer, prompt)).toList();
        int room = prompts.stream().mapToInt(ids -> ids.length).max().orElseThrow() + TOKENS;
        EntropyMeter meter = new EntropyMeter(model);
        Set<Integer> ends =
                tokenizer.endToken().isPresent() ? Set.of(tokenizer.endToken().getAsInt()) : Set.of();
        Ending ending = new Ending(TOKENS, ends, List.of());
        List<WrittenText> greedy = new ArrayList<>();
        List<WrittenText> drawn = new ArrayList<>();
        try (Session session =
                new Session(meter, tokenizer, Math.min(room, model.config().contextLength()))) {
            for (int p = 0; p < prompts.size(); p++) {
                Windows.stopIfInterrupted("texts", p, prompts.size());
                meter.restart();
                Generation likeliest = session.generate(prompts.get(p), Sampling.greedy(), ending, text -> {});
                greedy.add(new WrittenText(PROMPTS.get(p), likeliest.text(), likeliest.ids(), meter.mean()));
                meter.restart();
                Sampling sampling = new Sampling(TEMPERATURE, TOP_P, 0, 0, 1, p + 1);
                Generation one = session.generate(prompts.get(p), sampling, ending, text -> {});
                drawn.add(new WrittenText(PROMPTS.get(p), one.text(), one.ids(), meter.mean()));
                progress.windowDone(p + 1, prompts.size(), drawn.getLast().repeated());
            }
        }
        return new Collapse(
                greedy, drawn, loss(model, prompts), Math.log(model.config().vocabSize()));
    }

    private static int[] ids(Tokenizer tokenizer, String prompt) {
        return IntStream.concat(tokenizer.leadingToken().stream(), IntStream.of(tokenizer.encode(prompt)))
                .toArray();
    }

    private static double loss(LanguageModel model, List<int[]> prompts) {
        double[] sum = new double[1];
        int count = 0;
        for (int[] ids : prompts) {
            try (KvCache cache = model.newCache(ids.length)) {
                model.forward(ids, cache, (position, logits) -> {
                    if (position + 1 < ids.length) {
                        sum[0] += LogProbabilities.logSum(logits) - logits[ids[position + 1]];
                    }
                });
            }
            count += ids.length - 1;
        }
        return sum[0] / count;
    }

    /** Share of repeated runs in the drawn texts, 0 to 1. */
    public double repeated() {
        return drawn.stream().mapToDouble(WrittenText::repeated).average().orElseThrow();
    }

    /** Entropy in the drawn texts, 0 to 1. */
    public double entropy() {
        return drawn.stream().mapToDouble(WrittenText::entropy).average().orElseThrow();
    }

    /**
     * What says that the model has collapsed; nothing where it still writes text.
     *
     * @param original what its original writes, or null
     */
    public List<String> reasons(@Nullable Collapse original) {
        List<String> reasons = new ArrayList<>();
        long barren = drawn.stream().filter(WrittenText::barren).count();
        if (barren >= MOST_BARREN * drawn.size()) {
            reasons.add("%d of %d texts are empty, or one sign over and over".formatted(barren, drawn.size()));
        }
        double most = original == null ? MOST_REPEATED : Math.max(MOST_REPEATED, original.repeated() + MORE_REPEATED);
        if (repeated() > most) {
            reasons.add(line("%.0f %% of a text repeats itself, want at most %.0f %%", 100 * repeated(), 100 * most));
        }
        if (entropy() > MOST_ENTROPY) {
            reasons.add(line(
                    "the next token is nearly any token: %.0f %% of the largest entropy, want at most %.0f %%",
                    100 * entropy(), 100 * MOST_ENTROPY));
        }
        if (promptLoss >= blindLoss) {
            reasons.add(line(
                    "plain English is predicted worse than by a blind guess: %.1f nats a token, want less than %.1f",
                    promptLoss, blindLoss));
        }
        return reasons;
    }

    @FormatMethod
    private static String line(String format, double got, double want) {
        return String.format(Locale.ROOT, format, got, want);
    }
}
