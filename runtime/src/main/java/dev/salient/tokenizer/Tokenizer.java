package dev.salient.tokenizer;

import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Text to token ids and back, exactly as the model's own tokenizer does it. */
public interface Tokenizer {
    /** The ids of plain text. What looks like a control token in it is text, and no BOS is added. */
    int[] encode(String text);

    /** The ids of a plain text that a model is to continue: as {@link #encode}, after the token that begins a text, if any. */
    default int[] encodePrompt(String text) {
        return IntStream.concat(leadingToken().stream(), IntStream.of(encode(text)))
                .toArray();
    }

    /** The ids of a rendered chat template: control tokens in it are control tokens. */
    int[] encodeWithControlTokens(String text);

    /** The ids of a text of which only some parts are trusted to hold control tokens. */
    default int[] encodeParts(List<TextPart> parts) {
        return parts.stream()
                .map(part -> part.trusted() ? encodeWithControlTokens(part.text()) : encode(part.text()))
                .flatMapToInt(IntStream::of)
                .toArray();
    }

    /** The texts of all control tokens, longer ones first. */
    default List<String> controlTokens() {
        return List.of();
    }

    /** The text of these ids; control tokens are left out, bytes that are no UTF-8 become U+FFFD. */
    String decode(int[] ids);

    /** The text of one control or ordinary token as the vocabulary writes it. */
    String token(int id);

    /** Ids run from 0 to this, exclusive. */
    int vocabSize();

    /** The token that the tokenizer's own template puts before a text; empty where it adds none. */
    OptionalInt leadingToken();

    /** {@link #leadingToken} as ids: one or none. */
    default int[] leadingTokens() {
        return leadingToken().stream().toArray();
    }

    /**
     * What texts are to begin with.
     *
     * @param named tokens, control tokens among them; null: {@link #leadingTokens()}
     * @throws IllegalArgumentException where what is named comes to no token
     */
    default int[] leadingTokens(@Nullable String named) {
        if (named == null) {
            return leadingTokens();
        }
        int[] ids = encodeWithControlTokens(named);
        if (ids.length == 0) {
            throw new IllegalArgumentException("--leading-tokens: got no tokens, want those that texts begin with");
        }
        return ids;
    }

    /** The id of a token by its exact vocabulary text; empty where there is none. */
    OptionalInt findId(String token);

    /** The token named as the beginning of a text, {@code bos_token} in chat templates; empty where none is named. */
    default OptionalInt beginToken() {
        return OptionalInt.empty();
    }

    /** The token named as the end of a text, {@code eos_token} in chat templates; empty where none is named. */
    default OptionalInt endToken() {
        return OptionalInt.empty();
    }
}
