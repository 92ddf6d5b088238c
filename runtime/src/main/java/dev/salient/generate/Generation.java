package dev.salient.generate;

import java.util.List;

/**
 * What a generation gave.
 *
 * @param text all pieces that were handed out, joined
 * @param ids the new tokens, without an end token
 * @param reason why it ended
 * @param promptTokens tokens of the prompt
 * @param reusedTokens how many of those were still in the cache
 */
public record Generation(String text, List<Integer> ids, FinishReason reason, int promptTokens, int reusedTokens) {
    public Generation {
        ids = List.copyOf(ids);
    }
}
