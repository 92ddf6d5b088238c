package dev.salient.kernel;

import static dev.salient.tensor.Preconditions.require;

/**
 * How attention scores a key by a query: {@code scale q k}, bounded by {@code cap tanh(score / cap)} where there is a cap.
 *
 * @param cap 0 for none
 * @param window keys that a query sees at most, its own among them: the last ones
 */
public record ScoreRule(double scale, double cap, int window) {
    public ScoreRule {
        require(scale > 0 && cap >= 0, "scores: got scale %s and cap %s, want a scale above 0", scale, cap);
        require(window > 0, "window: got %d, want more than 0", window);
    }

    /** Products over sqrt(headSize), of all keys. */
    public static ScoreRule plain(int headSize) {
        return new ScoreRule(1 / Math.sqrt(headSize), 0, Integer.MAX_VALUE);
    }

    /** The first of the keys before {@code end} that the query at its end sees. */
    int firstSeen(int end) {
        return Math.max(0, end - window);
    }
}
