package dev.salient.train;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** How much of what a model writes stands word for word in the text that it learned from. */
public final class CopyCheck {
    /** Runs shorter than this are no copies: every run of this length is looked up, then followed. */
    private static final int SEED_LENGTH = 4;

    /** The learned words one after the other; a null ends each text. */
    private final List<String> learned = new ArrayList<>();

    private final Map<List<String>, List<Integer>> places = new HashMap<>();

    /** A check against these texts. */
    public CopyCheck(List<String> texts) {
        for (String text : texts) {
            List<String> words = words(text);
            for (int i = 0; i + SEED_LENGTH <= words.size(); i++) {
                List<String> seed = List.copyOf(words.subList(i, i + SEED_LENGTH));
                places.computeIfAbsent(seed, s -> new ArrayList<>(1)).add(learned.size() + i);
            }
            learned.addAll(words);
            learned.add("");
        }
    }

    /**
     * What was found.
     *
     * @param longestRun words in a row, the most that stand in a learned text as they are
     * @param run these words
     * @param texts that were looked at
     * @param textsWithLongRuns of them, those with {@code longRun} words or more in a row
     * @param longRun what counts as long
     */
    public record Result(int longestRun, String run, int texts, int textsWithLongRuns, int longRun) {}

    /** Letters and digits in lower case: punctuation does not hide a copy. */
    private static List<String> words(String text) {
        List<String> words = new ArrayList<>();
        for (String word : text.toLowerCase(Locale.ROOT).split("[^a-z0-9']+", -1)) {
            if (!word.isEmpty()) {
                words.add(word);
            }
        }
        return words;
    }

    /** Looks for the longest run of words that a written text shares with a learned one. */
    public Result check(List<String> written, int longRun) {
        List<String> longest = List.of();
        int withLong = 0;
        for (String text : written) {
            List<String> own = longestRun(words(text));
            withLong += own.size() >= longRun ? 1 : 0;
            longest = own.size() > longest.size() ? own : longest;
        }
        return new Result(longest.size(), String.join(" ", longest), written.size(), withLong, longRun);
    }

    /** The longest run of these words in a learned text; empty where it is shorter than the seed. */
    private List<String> longestRun(List<String> words) {
        List<String> longest = List.of();
        for (int from = 0; from + SEED_LENGTH <= words.size(); from++) {
            List<String> seed = words.subList(from, from + SEED_LENGTH);
            for (int place : places.getOrDefault(seed, List.of())) {
                int length = SEED_LENGTH;
                while (from + length < words.size()
                        && learned.get(place + length).equals(words.get(from + length))) {
                    length++;
                }
                if (length > longest.size()) {
                    longest = words.subList(from, from + length);
                }
            }
        }
        return longest;
    }
}
