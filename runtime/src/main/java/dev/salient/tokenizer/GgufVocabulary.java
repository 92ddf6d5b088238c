package dev.salient.tokenizer;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.errorprone.annotations.FormatMethod;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * A vocabulary as a GGUF file states it, {@code tokenizer.ggml.*}; nothing in it is interpreted yet.
 *
 * @param model {@code gpt2} (byte-level BPE) or {@code llama} (SentencePiece)
 * @param pre name of the pre-tokenizer, such as {@code smollm}; empty where the file names none
 * @param tokens the text of each id as the vocabulary writes it
 * @param scores one for each token, or none at all
 * @param tokenTypes one for each token, or none: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
 * @param merges of BPE, {@code left right}, best first; empty for SentencePiece
 * @param addBos whether a text starts with the BOS token; null where the file doesn't say
 * @param addSpacePrefix whether a text is encoded as if a space stood before it; null where the file doesn't say
 */
public record GgufVocabulary(
        String model,
        String pre,
        List<String> tokens,
        List<Float> scores,
        List<Integer> tokenTypes,
        List<String> merges,
        OptionalInt bosId,
        OptionalInt eosId,
        OptionalInt unkId,
        @Nullable Boolean addBos,
        @Nullable Boolean addSpacePrefix) {
    public GgufVocabulary {
        tokens = List.copyOf(tokens);
        scores = List.copyOf(scores);
        tokenTypes = List.copyOf(tokenTypes);
        merges = List.copyOf(merges);
        requireOnePerToken("scores", scores, tokens);
        requireOnePerToken("token types", tokenTypes, tokens);
        requireInVocabulary("bos", bosId, tokens);
        requireInVocabulary("eos", eosId, tokens);
        requireInVocabulary("unk", unkId, tokens);
    }

    /**
     * The same tokenizer as the text of a {@code tokenizer.json}: what a Hugging Face folder made from a GGUF file holds.
     *
     * @throws IllegalArgumentException where the vocabulary is of a kind that is not supported
     */
    public String toTokenizerJson() {
        return new GgufTokenizerJson(this).tree().toPrettyString();
    }

    /**
     * The text of the {@code tokenizer_config.json} that goes with {@link #toTokenizerJson}.
     *
     * @param chatTemplate a Jinja template, or null
     */
    public String toTokenizerConfig(@Nullable String chatTemplate) {
        ObjectNode config = new GgufTokenizerJson(this).config();
        if (chatTemplate != null) {
            config.put("chat_template", chatTemplate);
        }
        return config.toPrettyString();
    }

    private static void requireOnePerToken(String what, List<?> list, List<String> tokens) {
        require(
                list.isEmpty() || list.size() == tokens.size(),
                "%s: got %d, want none or %d, one for each token",
                what,
                list.size(),
                tokens.size());
    }

    private static void requireInVocabulary(String what, OptionalInt id, List<String> tokens) {
        require(
                id.isEmpty() || (id.getAsInt() >= 0 && id.getAsInt() < tokens.size()),
                "%s: got id %s, want 0 to %d",
                what,
                id,
                tokens.size() - 1);
    }

    @FormatMethod
    private static void require(boolean condition, String message, Object... arguments) {
        if (!condition) {
            throw new IllegalArgumentException(message.formatted(arguments));
        }
    }
}
