package dev.salient.train;

import static dev.salient.tensor.Preconditions.require;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/**
 * Stories, split into those to learn from and those held out.
 *
 * @param training what the model sees
 * @param heldOut what it never sees, and is measured on
 */
public record Stories(List<String> training, List<String> heldOut) {
    /** What stands between two stories in a file. */
    public static final String END = "<|endoftext|>";

    public Stories {
        training = List.copyOf(training);
        heldOut = List.copyOf(heldOut);
    }

    /** The stories of a file, in plain punctuation; the last one may have been cut off and is left out. */
    public static List<String> read(Path file) throws IOException {
        String text = Files.readString(file);
        List<String> stories = new ArrayList<>();
        int from = 0;
        for (int end = text.indexOf(END); end >= 0; end = text.indexOf(END, from)) {
            String story = StoryFilter.plain(text.substring(from, end));
            if (!story.isEmpty()) {
                stories.add(story);
            }
            from = end + END.length();
        }
        require(!stories.isEmpty(), "%s: got no story, want stories that end with %s", file, END);
        return stories;
    }

    /** Holds out a share of the stories, at least one, drawn by seed; a story told twice counts once. */
    public static Stories split(List<String> all, double share, long seed) {
        Set<String> different = new LinkedHashSet<>(all);
        require(different.size() >= 2, "stories: got %d, want at least 2", different.size());
        List<String> shuffled = new ArrayList<>(different);
        Collections.shuffle(shuffled, new Random(seed));
        int held = Math.clamp(Math.round(share * shuffled.size()), 1, shuffled.size() - 1);
        return new Stories(shuffled.subList(held, shuffled.size()), shuffled.subList(0, held));
    }
}
