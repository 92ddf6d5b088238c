package dev.salient.measure;

import dev.salient.tokenizer.Tokenizer;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/** A token a character, its code the id. */
record LetterTokenizer(OptionalInt leadingToken) implements Tokenizer {
    @Override
    public int[] encode(String text) {
        return text.chars().toArray();
    }

    @Override
    public int[] encodeWithControlTokens(String text) {
        return encode(text);
    }

    /** With the leading token. */
    int[] framed(String text) {
        return IntStream.concat(leadingToken.stream(), text.chars()).toArray();
    }

    @Override
    public String decode(int[] ids) {
        return new String(ids, 0, ids.length);
    }

    @Override
    public String token(int id) {
        return Character.toString(id);
    }

    @Override
    public int vocabSize() {
        return 128;
    }

    @Override
    public OptionalInt findId(String token) {
        return token.length() == 1 ? OptionalInt.of(token.charAt(0)) : OptionalInt.empty();
    }
}
