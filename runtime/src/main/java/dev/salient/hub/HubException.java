package dev.salient.hub;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** A model that can't be had; with a line that says what to do about it. */
public final class HubException extends IOException {
    private static final long serialVersionUID = 1;

    private final @Nullable String hint;
    private final boolean temporary;

    private HubException(String message, @Nullable String hint, boolean temporary) {
        super(message);
        this.hint = hint;
        this.temporary = temporary;
    }

    /** Something that stays so until the user does something. */
    static HubException refused(String message, @Nullable String hint) {
        return new HubException(message, hint, false);
    }

    /** Something that the network or the hub may get over. */
    static HubException unreachable(String message, @Nullable String hint) {
        return new HubException(message, hint, true);
    }

    /** What to do, in one line; null where the message says it. */
    public @Nullable String hint() {
        return hint;
    }

    /** Whether the same command may succeed later. */
    public boolean isTemporary() {
        return temporary;
    }
}
