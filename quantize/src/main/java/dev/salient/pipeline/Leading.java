package dev.salient.pipeline;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The tokens that every window of calibration begins with, as every text does that the model will read.
 *
 * @param text of them, in which control tokens are control tokens; null: none, or the one that the tokenizer puts before a text where
 *     {@code intact}
 * @param intact whether the quantized model uses the original's keys and values of them
 */
public record Leading(@Nullable String text, boolean intact) {
    /** Windows are of text alone. */
    public static final Leading NONE = new Leading(null, false);

    /**
     * Their ids; empty for {@link #NONE}.
     *
     * @throws IllegalArgumentException where intact ones are wanted and there are none
     */
    int[] ids(Tokenizer tokenizer) {
        if (text == null && !intact) {
            return new int[0];
        }
        int[] ids = tokenizer.leadingTokens(text);
        require(
                ids.length > 0,
                "--intact-kv: got a tokenizer that puts no token before a text, want --leading-tokens with what texts begin"
                        + " with, such as \"<|im_start|>\" where chats do");
        return ids;
    }

    /**
     * Windows that begin with some tokens, and are as long as they were: their last tokens make room. One that begins so stays as it is.
     *
     * @param ids of the tokens, fewer than a window's less 1
     */
    static List<int[]> before(List<int[]> windows, int[] ids) {
        List<int[]> begun = new ArrayList<>();
        for (int[] window : windows) {
            require(
                    window.length > ids.length + 1,
                    "--tokens: got %d, want more than the %d that windows begin with, and 1",
                    window.length,
                    ids.length);
            if (Arrays.equals(ids, Arrays.copyOf(window, ids.length))) {
                begun.add(window);
                continue;
            }
            int[] own = Arrays.copyOf(ids, window.length);
            System.arraycopy(window, 0, own, ids.length, window.length - ids.length);
            begun.add(own);
        }
        return begun;
    }
}
