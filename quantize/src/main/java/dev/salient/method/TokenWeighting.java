package dev.salient.method;

/**
 * How much each token counts in a block's output loss.
 *
 * <p>The loss of a block is {@code sum over tokens t of w_t ||y_t - target_t||^2}; this chooses {@code w}.
 */
public enum TokenWeighting {
    /** The paper's mean over elements: the tokens of largest magnitude decide. */
    PLAIN,
    /** Each token's error relative to its own target: {@code 1 / ||target_t||^2}. */
    RELATIVE,
    /** Between the two: {@code 1 / ||target_t||}. */
    ROOT,
    /** Relative for ordinary tokens; massive tokens as {@link #RELATIVE}, averaged apart, so that both are fitted. */
    PIVOT
}
