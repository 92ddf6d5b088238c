package dev.salient.generate;

import dev.salient.tokenizer.Tokenizer;
import java.util.Arrays;

/**
 * Text of a growing sequence of tokens, in pieces of whole characters.
 *
 * <p>A token is decoded together with those before it, since some tokenizers write its text differently at a start.
 */
final class TextStream {
    private static final int CONTEXT = 8;
    private static final String INCOMPLETE = "\uFFFD";

    private final Tokenizer tokenizer;
    private int[] ids;
    private int length;
    private int context;
    private int given;

    /**
     * Starts after a prompt, whose text is not given out.
     *
     * @param prompt ids
     */
    TextStream(Tokenizer tokenizer, int[] prompt) {
        this.tokenizer = tokenizer;
        int[] tail = Arrays.copyOfRange(prompt, Math.max(0, prompt.length - CONTEXT), prompt.length);
        // A prompt that ends within a character is no context: its last bytes would be counted twice.
        boolean usable = !tokenizer.decode(tail).endsWith(INCOMPLETE);
        this.ids = Arrays.copyOf(usable ? tail : new int[0], CONTEXT * 2);
        this.length = usable ? tail.length : 0;
        this.given = length;
    }

    /** Appends a token; the text that is certain now, maybe none. */
    String add(int id) {
        if (length == ids.length) {
            ids = Arrays.copyOfRange(ids, context, context + 2 * (length - context) + CONTEXT);
            length -= context;
            given -= context;
            context = 0;
        }
        ids[length++] = id;
        String text = fresh();
        if (text.isEmpty() || text.endsWith(INCOMPLETE)) {
            return "";
        }
        context = given;
        given = length;
        return text;
    }

    /** The text that was held back because its last character is incomplete. */
    String finish() {
        String text = fresh();
        given = length;
        return text;
    }

    private String fresh() {
        String known = tokenizer.decode(Arrays.copyOfRange(ids, context, given));
        String all = tokenizer.decode(Arrays.copyOfRange(ids, context, length));
        return all.length() > known.length() ? all.substring(known.length()) : "";
    }
}
