package dev.salient.measure;

import java.util.Locale;

/** Text as Python treats it, in which prompts of lm-evaluation-harness are defined. */
public final class PythonText {
    private static final char NEXT_LINE = '\u0085';

    private PythonText() {}

    /** Whether {@code str.isspace} holds; Java's own strip keeps some of these, a no-break space for one. */
    public static boolean isSpace(char c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == NEXT_LINE;
    }

    /** {@code str.strip}. */
    public static String strip(String text) {
        int from = 0;
        int to = text.length();
        while (from < to && isSpace(text.charAt(from))) {
            from++;
        }
        while (to > from && isSpace(text.charAt(to - 1))) {
            to--;
        }
        return text.substring(from, to);
    }

    /** {@code str.capitalize}: the first letter in title case, all others in lower case. */
    public static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.codePointAt(0);
        return Character.toString(Character.toTitleCase(first))
                + text.substring(Character.charCount(first)).toLowerCase(Locale.ROOT);
    }

    /** {@code len}: characters are code points. */
    public static int length(String text) {
        return text.codePointCount(0, text.length());
    }
}
