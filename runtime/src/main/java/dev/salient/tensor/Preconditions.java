package dev.salient.tensor;

import com.google.errorprone.annotations.FormatMethod;

/** Checks of arguments; a message reads {@code place: got X, want Y}. */
public final class Preconditions {
    private Preconditions() {}

    /**
     * Fails with the formatted message unless the condition holds.
     *
     * @throws IllegalArgumentException where it does not hold
     */
    @FormatMethod
    public static void require(boolean condition, String message, Object... arguments) {
        if (!condition) {
            throw new IllegalArgumentException(message.formatted(arguments));
        }
    }
}
