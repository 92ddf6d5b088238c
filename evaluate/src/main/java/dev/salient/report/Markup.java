package dev.salient.report;

import java.util.Locale;

/** Text and numbers as a page may hold them. */
final class Markup {
    private static final int REPLACEMENT = 0xFFFD;

    private Markup() {}

    /** Text that cannot end an element or an attribute, whatever it holds. */
    static String escape(String text) {
        StringBuilder escaped = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            switch (c) {
                case '&' -> escaped.append("&amp;");
                case '<' -> escaped.append("&lt;");
                case '>' -> escaped.append("&gt;");
                case '"' -> escaped.append("&quot;");
                case '\'' -> escaped.append("&#39;");
                default -> escaped.appendCodePoint(isAllowed(c) ? c : REPLACEMENT);
            }
        });
        return escaped.toString();
    }

    private static boolean isAllowed(int c) {
        boolean control = c < ' ' && c != '\n' && c != '\t';
        return !control && !(c >= 0xD800 && c <= 0xDFFF) && c != 0xFFFE && c != 0xFFFF;
    }

    /** Four significant digits: {@code 2.715}, {@code 1,234}, {@code 3.1e-05}. */
    static String number(double value) {
        double size = Math.abs(value);
        if (value == Math.rint(value) && size < 1e15) {
            return String.format(Locale.ROOT, "%,.0f", value);
        }
        if (size < 1e-3 || size >= 1e6) {
            return String.format(Locale.ROOT, "%.3g", value);
        }
        int decimals = size >= 1000 ? 0 : 3 - (int) Math.floor(Math.log10(size));
        return String.format(Locale.ROOT, "%,." + Math.min(decimals, 6) + "f", value);
    }

    /** A coordinate or a width of a drawing. */
    static String coordinate(double value) {
        String text = String.format(Locale.ROOT, "%.1f", value);
        return text.endsWith(".0") ? text.substring(0, text.length() - 2) : text;
    }

    /** {@code 3.4 %}. */
    static String percent(double share) {
        return number(100 * share) + " %";
    }

    /** {@code 88.1 MB}: powers of 1000. */
    static String bytes(double bytes) {
        return bytes < 1e6
                ? number(bytes / 1e3) + " kB"
                : bytes < 1e9 ? number(bytes / 1e6) + " MB" : number(bytes / 1e9) + " GB";
    }
}
