package dev.salient.corpus;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How much of a text stands word for word in another: its runs of 13 words that occur there, too.
 *
 * <p>Words are letters and digits, in lower case; whatever is between them doesn't count.
 *
 * @param found different runs that stand in both
 * @param runs different runs of the text
 */
public record NgramOverlap(int found, int runs) {
    /** Words of a run: as long as no run is by chance in both. */
    public static final int WORDS = 13;

    private static final Pattern WORD = Pattern.compile("[\\p{L}\\p{N}]+");

    /** Looks for the runs of a text in another. */
    public static NgramOverlap of(String text, String other) {
        Set<String> runs = new HashSet<>();
        forEachRun(text, runs::add);
        Set<String> found = new HashSet<>();
        forEachRun(other, run -> {
            if (runs.contains(run)) {
                found.add(run);
            }
        });
        return new NgramOverlap(found.size(), runs.size());
    }

    /** Share of the text's runs that stand in the other, 0 to 1. */
    public double share() {
        return runs == 0 ? 0 : (double) found / runs;
    }

    private static void forEachRun(String text, Consumer<String> consumer) {
        Deque<String> run = new ArrayDeque<>();
        Matcher matcher = WORD.matcher(text.toLowerCase(Locale.ROOT));
        while (matcher.find()) {
            run.add(matcher.group());
            if (run.size() == WORDS) {
                consumer.accept(String.join(" ", run));
                run.remove();
            }
        }
    }
}
