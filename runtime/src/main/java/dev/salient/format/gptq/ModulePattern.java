package dev.salient.format.gptq;

import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A regular expression over module names, out of a file. One that takes forever to match, {@code (a*)*b}, is refused when it is
 * used: names are short, and so is honest matching.
 *
 * @param place where it stands, for messages
 */
record ModulePattern(String place, Pattern pattern) {
    private static final int MOST_STEPS = 100_000;

    /**
     * Compiles one.
     *
     * @param object whose {@code key} holds or is the expression
     */
    static ModulePattern of(JsonObject object, String key, String regex) throws FormatException {
        try {
            return new ModulePattern(object.place() + ": " + key, Pattern.compile(regex));
        } catch (PatternSyntaxException e) {
            throw object.wrong(key, "a regular expression as its key");
        }
    }

    /** Whether a module's name begins with it. */
    boolean begins(String module) throws FormatException {
        return matches(module, Matcher::lookingAt);
    }

    /** Whether it is a module's whole name. */
    boolean covers(String module) throws FormatException {
        return matches(module, Matcher::matches);
    }

    private boolean matches(String module, Predicate<Matcher> how) throws FormatException {
        try {
            return how.test(pattern.matcher(new Counted(module)));
        } catch (TooManySteps | StackOverflowError e) {
            throw new FormatException("%s: got a pattern that takes too long to match, want a simpler one", place);
        }
    }

    private static final class TooManySteps extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    /** A text that counts how often it is looked at. */
    private static final class Counted implements CharSequence {
        private final String text;
        private int steps;

        Counted(String text) {
            this.text = text;
        }

        @Override
        public int length() {
            return text.length();
        }

        @Override
        public char charAt(int index) {
            if (++steps > MOST_STEPS) {
                throw new TooManySteps();
            }
            return text.charAt(index);
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return text.substring(start, end);
        }

        @Override
        public String toString() {
            return text;
        }
    }
}
