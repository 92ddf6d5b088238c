package dev.salient.train;

import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Keeps a written story only if it is one: of a story's length, ended, in plain letters, not repeating itself, and not
 * told before.
 */
public final class StoryFilter {
    private static final Pattern LETTERS = Pattern.compile("[A-Za-z0-9 .,!?'\":;\\-\\n]*");
    private static final Pattern NOT_A_STORY =
            Pattern.compile("\\b(ai|assistant|story about|write|once upon a time once|moral of)\\b");

    private static final Pattern SENTENCE_END = Pattern.compile("(?<=[.!?])(?=\\s|$)|(?<=[.!?]\")(?=\\s|$)");
    /** "new new", but "very very" is English. */
    private static final Pattern TWICE = Pattern.compile("\\b(?!very)(\\w+) \\1\\b");

    /** Share of different words among 100 in a row, at least: 99 of 100 stories of TinyStories begin with more. */
    private static final double LEAST_DIFFERENT = 0.5;

    private static final int IN_A_ROW = 100;

    private final int minWords;
    private final int maxWords;
    private final Set<String> told = new HashSet<>();

    /** A filter that knows no story yet. */
    public StoryFilter(int minWords, int maxWords) {
        this.minWords = minWords;
        this.maxWords = maxWords;
    }

    /** The story in plain punctuation: typographic quotes and dashes become those of a keyboard. */
    public static String plain(String story) {
        return story.replaceAll("[\u2018\u2019]", "'")
                .replaceAll("[\u201c\u201d]", "\"")
                .replaceAll("\\s*[\u2013\u2014]\\s*", " - ")
                .replace("\u2026", "...")
                .replaceAll(" *\\n\\s*", "\n")
                .replaceAll(" {2,}", " ")
                .strip();
    }

    /**
     * A story's whole sentences up to the one with which it begins to repeat itself; all of a good story.
     *
     * <p>Small models tell well for some sentences and then circle.
     */
    public static String beginning(String story) {
        StringBuilder told = new StringBuilder();
        int good = 0;
        for (String sentence : SENTENCE_END.split(story, -1)) {
            told.append(sentence);
            String words = told.toString().strip();
            if (repeats(words, words.toLowerCase(Locale.ROOT).split("\\s+", -1))) {
                break;
            }
            boolean quotesClosed = words.chars().filter(c -> c == '"').count() % 2 == 0;
            good = quotesClosed && isEnded(words) ? told.length() : good;
        }
        return told.substring(0, good).strip();
    }

    private static boolean isEnded(String story) {
        return story.matches("(?s).*[.!?]\"?");
    }

    /** Whether this story is kept; if so, it counts as told. */
    public boolean keeps(String story) {
        String[] words = story.toLowerCase(Locale.ROOT).split("\\s+", -1);
        boolean good = words.length >= minWords
                && words.length <= maxWords
                && isEnded(story)
                && LETTERS.matcher(story).matches()
                && !NOT_A_STORY.matcher(story.toLowerCase(Locale.ROOT)).find()
                && story.chars().filter(c -> c == '"').count() % 2 == 0
                && !repeats(story, words);
        return good && told.add(String.join(" ", words));
    }

    /** A word or a sentence told twice, five words told three times, or few different words. */
    private static boolean repeats(String story, String[] words) {
        Set<String> sentences = new HashSet<>();
        for (String sentence : story.split("(?<=[.!?])[\"\\s]+", -1)) {
            if (sentence.length() > 25 && !sentences.add(sentence)) {
                return true;
            }
        }
        Map<String, Integer> counts = new HashMap<>();
        for (int i = 0; i + 5 <= words.length; i++) {
            String run = String.join(" ", Arrays.copyOfRange(words, i, i + 5));
            if (counts.merge(run, 1, Integer::sum) >= 3) {
                return true;
            }
        }
        return TWICE.matcher(story.toLowerCase(Locale.ROOT)).find() || hasFewWords(words);
    }

    private static boolean hasFewWords(String[] words) {
        int length = Math.min(IN_A_ROW, words.length);
        for (int from = 0; from + length <= words.length; from++) {
            Set<String> different = new HashSet<>(List.of(words).subList(from, from + length));
            if (different.size() < LEAST_DIFFERENT * length) {
                return true;
            }
        }
        return false;
    }
}
