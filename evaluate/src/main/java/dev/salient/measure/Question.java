package dev.salient.measure;

import java.util.List;

/**
 * A question with a choice of answers, one of them right.
 *
 * @param choices at least two
 * @param right index of the right one, from 0
 */
public record Question(List<Choice> choices, int right) {
    public Question {
        choices = List.copyOf(choices);
        if (choices.size() < 2) {
            throw new IllegalArgumentException("choices: got %d, want at least 2".formatted(choices.size()));
        }
        if (right < 0 || right >= choices.size()) {
            throw new IllegalArgumentException(
                    "right choice: got %d, want 0 to %d".formatted(right, choices.size() - 1));
        }
    }

    /**
     * A choice as a model reads it.
     *
     * @param context text before it, not blank
     * @param continuation the text whose likelihood counts
     * @param characters by which {@code acc_norm} divides: code points of the choice
     */
    public record Choice(String context, String continuation, int characters) {
        public Choice {
            if (context.isBlank() || continuation.isBlank()) {
                throw new IllegalArgumentException(
                        "choice: got a blank %s, want text".formatted(context.isBlank() ? "context" : "continuation"));
            }
        }
    }
}
