package dev.salient.generate;

import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What ends a generation.
 *
 * @param maxTokens at most so many new tokens
 * @param endTokens ids that end it; they are no part of the text
 * @param stopStrings texts that end it, also across tokens; they are no part of the text
 */
public record Ending(int maxTokens, Set<Integer> endTokens, List<String> stopStrings) {
    public Ending {
        endTokens = Set.copyOf(endTokens);
        stopStrings = List.copyOf(stopStrings);
        if (maxTokens < 0) {
            throw new IllegalArgumentException("max tokens: got %d, want 0 or more".formatted(maxTokens));
        }
        if (stopStrings.contains("")) {
            throw new IllegalArgumentException("stop string: got an empty one, want at least one character");
        }
    }

    /** What ends a generation; {@code endTokens} as a checkpoint has them. */
    public static Ending of(int maxTokens, List<Integer> endTokens, String... stopStrings) {
        return new Ending(maxTokens, new HashSet<>(endTokens), List.of(stopStrings));
    }
}
