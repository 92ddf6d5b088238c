package dev.salient.train;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The request that a story could be the answer to. */
final class StoryRequest {
    private static final Pattern WORD = Pattern.compile("[A-Za-z]+");
    private static final Pattern NAME = Pattern.compile("\\b(?:named|called) ([A-Z][a-z]+)");

    private StoryRequest() {}

    /** A request for this story: for the thing or creature that it names most often, else for any story. */
    static String of(String story, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        List<String> requests = StoryPrompts.standard().list("chat");
        String subject = subject(story);
        if (subject.isEmpty() || random.nextInt(8) == 0) {
            List<String> open = StoryPrompts.standard().list("chatopen");
            return open.get(random.nextInt(open.size()));
        }
        return requests.get(random.nextInt(requests.size())).replace("{subject}", subject);
    }

    private static String subject(String story) {
        List<String> subjects = StoryPrompts.standard().list("subject");
        Map<String, Integer> counts = new HashMap<>();
        Matcher words = WORD.matcher(story);
        String best = "";
        while (words.find()) {
            String word = words.group();
            if (subjects.contains(word)) {
                int count = counts.merge(word, 1, Integer::sum);
                best = count > counts.getOrDefault(best, 0) ? word : best;
            }
        }
        if (best.isEmpty()) {
            Matcher name = NAME.matcher(story);
            return name.find() ? name.group(1) : "";
        }
        return ("aeiou".indexOf(best.charAt(0)) >= 0 ? "an " : "a ") + best;
    }
}
