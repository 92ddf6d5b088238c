package dev.salient.tokenizer;

/**
 * A part of a text to encode.
 *
 * @param text as it stands
 * @param trusted whether control tokens in it are control tokens; otherwise they are text
 */
public record TextPart(String text, boolean trusted) {
    /** What a template wrote. */
    public static TextPart trusted(String text) {
        return new TextPart(text, true);
    }

    /** What a person wrote. */
    public static TextPart quoted(String text) {
        return new TextPart(text, false);
    }
}
