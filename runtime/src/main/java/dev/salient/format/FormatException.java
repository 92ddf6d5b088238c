package dev.salient.format;

import com.google.errorprone.annotations.FormatMethod;
import java.io.IOException;

/** A file that is not what it should be; the message reads {@code file: place: got X, want Y}. */
public final class FormatException extends IOException {
    private static final long serialVersionUID = 1;

    private static final int MOST_CHARACTERS = 1000;

    /**
     * What is wrong.
     *
     * @param arguments may come from the file: control characters in them never reach a terminal, and the whole is short
     */
    @FormatMethod
    public FormatException(String message, Object... arguments) {
        super(oneLine(message.formatted(arguments)));
    }

    private static String oneLine(String message) {
        String line = message.replaceAll("\\p{Cntrl}", "?");
        return line.length() > MOST_CHARACTERS ? line.substring(0, MOST_CHARACTERS - 3) + "..." : line;
    }
}
