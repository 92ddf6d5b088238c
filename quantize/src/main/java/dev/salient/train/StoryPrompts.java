package dev.salient.train;

import static dev.salient.tensor.Preconditions.require;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a language model is asked to write: patterns filled with words, drawn by seed and number.
 *
 * <p>In a pattern {@code {hero}} stands for a word of that list, the same one wherever the pattern names it again.
 */
public final class StoryPrompts {
    private static final Pattern PLACE = Pattern.compile("\\{([a-z]+)}");
    private static final StoryPrompts STANDARD = new StoryPrompts(readStandard());

    private final Map<String, List<String>> lists;

    private StoryPrompts(Map<String, List<String>> lists) {
        this.lists = lists;
    }

    /**
     * A request and the words that the story begins with.
     *
     * @param request as a user writes it
     * @param opening the start of the answer
     */
    public record Prompt(String request, String opening) {}

    /** The lists that come with the program. */
    public static StoryPrompts standard() {
        return STANDARD;
    }

    /** Lines {@code name: word, word}; a list of patterns is split at {@code |}. */
    private static Map<String, List<String>> readStandard() {
        Map<String, List<String>> lists = new HashMap<>();
        try (InputStream words = Objects.requireNonNull(StoryPrompts.class.getResourceAsStream("story-words.txt"));
                BufferedReader reader = new BufferedReader(new InputStreamReader(words, StandardCharsets.UTF_8))) {
            for (String line : reader.lines().filter(l -> !l.isBlank()).toList()) {
                int colon = line.indexOf(':');
                String separator = line.contains("|") ? "\\|" : ",";
                List<String> list = List.of(line.substring(colon + 1).strip().split("\\s*" + separator + "\\s*", -1));
                lists.put(line.substring(0, colon), list);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return lists;
    }

    /** The prompt of that number; the same for the same seed. */
    public Prompt prompt(long seed, int number) {
        SplittableRandom random = new SplittableRandom(seed * 1_000_003 + number);
        Map<String, String> chosen = new HashMap<>();
        String request = draw("request", random);
        String opening = draw("opening", random);
        return new Prompt(fill(request, chosen, random), fill(opening, chosen, random));
    }

    private String fill(String pattern, Map<String, String> chosen, SplittableRandom random) {
        Matcher places = PLACE.matcher(pattern);
        String filled = places.replaceAll(
                place -> Matcher.quoteReplacement(chosen.computeIfAbsent(place.group(1), name -> draw(name, random))));
        return filled.replaceAll("\\b([Aa]) (?=[aeiou])", "$1n ");
    }

    private String draw(String list, SplittableRandom random) {
        List<String> words = list(list);
        return words.get(random.nextInt(words.size()));
    }

    /** The words or patterns of a list. */
    List<String> list(String name) {
        require(lists.containsKey(name), "story words: got no list %s, want one of %s", name, lists.keySet());
        return lists.getOrDefault(name, List.of());
    }
}
