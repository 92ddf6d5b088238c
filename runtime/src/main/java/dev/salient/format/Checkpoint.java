package dev.salient.format;

import dev.salient.model.ModelWeights;
import dev.salient.tokenizer.ChatTemplate;
import dev.salient.tokenizer.Tokenizer;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A model opened from disk: weights mapped into memory, tokenizer, and what generation needs to know.
 *
 * @param source the folder or file
 * @param tokenizer null where the folder holds none; see {@link #expectTokenizer}
 * @param chatTemplate a Jinja template, or null; see {@link #expectChatTemplate}
 * @param endTokens ids that end a generation
 * @param arena owns the mapped memory; closing this closes it
 */
public record Checkpoint(
        Path source,
        ModelWeights weights,
        @Nullable Tokenizer tokenizer,
        @Nullable String chatTemplate,
        List<Integer> endTokens,
        Arena arena)
        implements AutoCloseable {
    public Checkpoint {
        endTokens = List.copyOf(endTokens);
    }

    /**
     * The tokenizer, for work that cannot do without.
     *
     * @throws FormatException where the model came without one
     */
    public Tokenizer expectTokenizer() throws FormatException {
        if (tokenizer == null) {
            throw new FormatException("%s: got no tokenizer, want tokenizer.json beside the weights", source);
        }
        return tokenizer;
    }

    /**
     * The chat template, for work that cannot do without.
     *
     * @throws FormatException where the model came without one, or without a tokenizer
     */
    public ChatTemplate expectChatTemplate() throws FormatException {
        Tokenizer encoder = expectTokenizer();
        if (chatTemplate == null) {
            throw new FormatException(
                    "%s: got no chat template, want one in tokenizer_config.json; generate continues plain text",
                    source);
        }
        return new ChatTemplate(chatTemplate, encoder);
    }

    /**
     * Refuses a model with keys and values of another, for work that cannot take them along.
     *
     * @param work how messages call it
     * @param instead what to take
     */
    public void requireOwnKeys(String work, String instead) {
        if (weights.intact() != null) {
            throw new IllegalArgumentException(
                    "%s: got a model that keeps the original's keys and values for a text's first tokens (--intact-kv), which %s"
                                    .formatted(source, work)
                            + " cannot take along: want " + instead);
        }
    }

    /**
     * Refuses a model that no other program's format holds: one with keys and values of another, or with scales that follow the token.
     *
     * @param format that is to be written
     * @param wanted what it holds; ends the message
     */
    public void requireExportable(String format, String wanted) {
        requireOwnKeys("export to " + format, "a model that was quantized without --intact-kv");
        OwnValues.require(weights, wanted);
    }

    @Override
    public void close() {
        arena.close();
    }
}
