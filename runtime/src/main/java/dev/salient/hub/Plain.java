package dev.salient.hub;

import java.util.Locale;

/** Texts from outside: which are harmless as a path, and how others are shown. */
final class Plain {
    private static final int MAX_PATH = 1000;
    private static final int MAX_SHOWN = 100;

    private Plain() {}

    /** Whether a path stays below the folder that it is resolved in, on every system. */
    static boolean isPath(String path) {
        if (path.isEmpty()
                || path.length() > MAX_PATH
                || path.contains("\\")
                || !path.codePoints().allMatch(Plain::isPrintable)) {
            return false;
        }
        for (String part : path.split("/", -1)) {
            if (part.isEmpty() || part.equals(".") || part.equals("..")) {
                return false;
            }
        }
        return true;
    }

    /** The text without what would move a terminal's cursor or turn its direction, cut where it is long. */
    static String text(String text) {
        StringBuilder shown = new StringBuilder();
        cut(text).codePoints().forEach(c -> shown.appendCodePoint(isPrintable(c) ? c : '?'));
        return shown.toString();
    }

    private static String cut(String text) {
        return text.length() > MAX_SHOWN ? text.substring(0, MAX_SHOWN) + "..." : text;
    }

    private static boolean isPrintable(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> false;
            default -> true;
        };
    }

    /** {@code 270.1 MB}: powers of 1000. */
    static String bytes(long bytes) {
        return bytes < 1_000_000_000L
                ? String.format(Locale.ROOT, "%.1f MB", bytes / 1e6)
                : String.format(Locale.ROOT, "%.1f GB", bytes / 1e9);
    }
}
