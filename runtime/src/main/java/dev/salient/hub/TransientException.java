package dev.salient.hub;

import java.io.IOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** A failure that the next try may not have: a cut connection, a busy hub. */
final class TransientException extends IOException {
    private static final long serialVersionUID = 1;

    private final transient @Nullable Duration wait;

    TransientException(String message) {
        this(message, null);
    }

    /** @param wait how long the hub asks to wait, or null */
    TransientException(String message, @Nullable Duration wait) {
        super(message);
        this.wait = wait;
    }

    @Nullable
    Duration findWait() {
        return wait;
    }
}
