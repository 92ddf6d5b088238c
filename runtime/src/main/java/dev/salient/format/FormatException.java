package dev.salient.format;

import com.google.errorprone.annotations.FormatMethod;
import java.io.IOException;

/** A file that is not what it should be; the message reads {@code file: place: got X, want Y}. */
public final class FormatException extends IOException {
    private static final long serialVersionUID = 1;

    @FormatMethod
    public FormatException(String message, Object... arguments) {
        super(message.formatted(arguments));
    }
}
