package dev.salient.measure;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** Keeps finished windows of one model, so that a measurement that was stopped can go on. */
public interface WindowStore {
    /** Keeps nothing. */
    WindowStore NONE = new WindowStore() {
        @Override
        public @Nullable WindowScores find(int index, Windows windows) {
            return null;
        }

        @Override
        public void keep(int index, WindowScores scores) {}
    };

    /** The scores of a window that an earlier measurement finished, or null. */
    @Nullable
    WindowScores find(int index, Windows windows) throws IOException;

    /** Keeps a finished window. */
    void keep(int index, WindowScores scores) throws IOException;
}
