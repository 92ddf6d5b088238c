package dev.salient.torch;

import com.google.errorprone.annotations.FormatMethod;

/** A computation that came to NaN or infinity; the message names block, linear or stage, and step. */
public final class NumericException extends RuntimeException {
    private static final long serialVersionUID = 1;

    @FormatMethod
    public NumericException(String message, Object... arguments) {
        super(message.formatted(arguments));
    }
}
