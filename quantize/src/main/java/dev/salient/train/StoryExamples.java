package dev.salient.train;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** Requests and the stories that answer them: what a model that is to write stories is shown first. */
final class StoryExamples {
    private StoryExamples() {}

    /** A request and its answer. */
    record Example(String request, String story) {}

    /** The examples that come with the program, written for it. */
    static List<Example> standard() {
        List<Example> examples = new ArrayList<>();
        try (InputStream stream =
                Objects.requireNonNull(StoryExamples.class.getResourceAsStream("story-examples.txt"))) {
            String text = new String(stream.readAllBytes(), StandardCharsets.UTF_8);
            for (String example : text.split(java.util.regex.Pattern.quote(Stories.END) + "\\n", -1)) {
                int line = example.indexOf('\n');
                if (line > 0) {
                    examples.add(new Example(
                            example.substring(0, line),
                            example.substring(line + 1).strip()));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return examples;
    }
}
