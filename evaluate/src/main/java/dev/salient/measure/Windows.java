package dev.salient.measure;

import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;

/** Windows as a model is fed them. */
final class Windows {
    private Windows() {}

    static void requireSome(List<int[]> windows) {
        if (windows.isEmpty()) {
            throw new IllegalArgumentException("windows: got none, want at least one");
        }
        for (int[] window : windows) {
            if (window.length < 2) {
                throw new IllegalArgumentException(
                        "window: got %d tokens, want at least 2, one to see and one to predict"
                                .formatted(window.length));
            }
        }
    }

    static int longest(List<int[]> windows) {
        return windows.stream().mapToInt(window -> window.length).max().orElseThrow();
    }

    /** What a model sees of a window: all but the last token, the leading token where it belongs. */
    static int[] seen(int[] window, OptionalInt leadingToken, Scoring scoring) {
        boolean before = leadingToken.isPresent() && scoring == Scoring.WHOLE_WINDOW;
        int shift = before ? 1 : 0;
        int[] seen = new int[window.length - 1 + shift];
        System.arraycopy(window, 0, seen, shift, window.length - 1);
        if (leadingToken.isPresent()) {
            seen[0] = leadingToken.getAsInt();
        }
        return seen;
    }

    static void stopIfInterrupted(String what, int done, int windows) {
        if (Thread.currentThread().isInterrupted()) {
            throw new CancellationException("%s: interrupted after %d of %d windows".formatted(what, done, windows));
        }
    }
}
