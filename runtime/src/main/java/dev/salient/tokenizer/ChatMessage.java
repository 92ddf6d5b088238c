package dev.salient.tokenizer;

import java.util.regex.Pattern;

/**
 * One turn of a conversation.
 *
 * @param role letters, digits, {@code _} and {@code -} only: {@code system}, {@code user}, {@code assistant}, ...
 * @param content any text
 */
public record ChatMessage(String role, String content) {
    private static final Pattern ROLE = Pattern.compile("[A-Za-z0-9_-]+");

    public ChatMessage {
        if (!ROLE.matcher(role).matches()) {
            throw new IllegalArgumentException("role: got '%s', want letters, digits, _ or -".formatted(role));
        }
    }
}
