package dev.salient.tokenizer;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;

/** One tokenizer of the reference library; its native memory goes when this object does. */
final class RustTokenizer {
    private static final Cleaner CLEANER = Cleaner.create();

    private final TokenizersLibrary functions = NativeLibrary.functions();
    private final long handle;

    /**
     * Reads a tokenizer.
     *
     * @param json in ASCII
     * @throws IllegalArgumentException with the library's own reason where it refuses the text
     */
    RustTokenizer(String json) {
        try {
            handle = functions.createTokenizerFromString(json);
        } catch (RuntimeException e) {
            throw new IllegalArgumentException(reason(e), e);
        }
        TokenizersLibrary library = functions;
        long owned = handle;
        CLEANER.register(this, () -> library.deleteTokenizer(owned));
    }

    private static String reason(RuntimeException e) {
        String message = e.getMessage();
        return message == null
                ? "the tokenizers library refused it"
                : message.lines().findFirst().orElse(message);
    }

    /** The ids of a text, without what the tokenizer's template adds around it. */
    int[] encode(String text) {
        return encode(text, false);
    }

    /** The ids of a text, with what the tokenizer's template adds around it. */
    int[] encodeInTemplate(String text) {
        return encode(text, true);
    }

    private int[] encode(String text, boolean addTemplate) {
        try {
            long encoding = functions.encode(handle, wellFormed(text), addTemplate);
            try {
                return toInts(functions.getTokenIds(encoding));
            } finally {
                functions.deleteEncoding(encoding);
            }
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** The text of these ids without the special ones. */
    String decode(int[] ids) {
        long[] wide = new long[ids.length];
        for (int i = 0; i < ids.length; i++) {
            wide[i] = ids[i];
        }
        try {
            return functions.decode(handle, wide, true);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    private static int[] toInts(long[] wide) {
        int[] ids = new int[wide.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = Math.toIntExact(wide[i]);
        }
        return ids;
    }

    /** The text with U+FFFD for each half of a surrogate pair that stands alone: the library knows UTF-8 only. */
    static String wellFormed(String text) {
        if (!hasLoneSurrogate(text)) {
            return text;
        }
        StringBuilder clean = new StringBuilder(text.length());
        text.codePoints().forEach(c -> clean.appendCodePoint(c >= 0xD800 && c <= 0xDFFF ? 0xFFFD : c));
        return clean.toString();
    }

    private static boolean hasLoneSurrogate(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isHighSurrogate(text.charAt(i))
                    && i + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(text.charAt(i))) {
                return true;
            }
        }
        return false;
    }
}
