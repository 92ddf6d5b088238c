package dev.salient.format;

import com.google.errorprone.annotations.FormatMethod;
import java.io.IOException;

/** A file of ours that does not hold what it was made from: our failure, or the disk's. */
public final class MismatchException extends IOException {
    private static final long serialVersionUID = 1;

    @FormatMethod
    public MismatchException(String message, Object... arguments) {
        super(message.formatted(arguments));
    }
}
