package dev.salient.measure;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CancellationException;

/** Windows of a text as models read them, and which of their tokens count. */
public final class Windows {
    private final List<Window> windows;
    private final Scoring scoring;

    private Windows(List<Window> windows, Scoring scoring) {
        this.windows = List.copyOf(windows);
        this.scoring = scoring;
    }

    /**
     * Windows side by side.
     *
     * @param ids of each window, at least 2
     * @param leading tokens that each begins with: the tokenizer's, or others
     */
    public static Windows of(List<int[]> ids, int[] leading, Scoring scoring) {
        requireSome(ids);
        for (int[] window : ids) {
            if (scoring == Scoring.SECOND_HALF && leading.length > window.length / 2) {
                throw new IllegalArgumentException("leading tokens: got %d, want at most %d, a window's first half"
                        .formatted(leading.length, window.length / 2));
            }
        }
        return new Windows(
                ids.stream()
                        .map(window -> new Window(window, scoring.first(window.length), leading, scoring))
                        .toList(),
                scoring);
    }

    /**
     * Windows that overlap, each {@code stride} tokens after the one before: of all but the first only the last
     * {@code stride} tokens count, those that no window before has counted.
     *
     * @param ids of each window, at least 2
     * @param stride 1 to the windows' length
     * @param leading tokens that go before each: the tokenizer's, or others
     */
    public static Windows overlapping(List<int[]> ids, int stride, int[] leading) {
        requireSome(ids);
        List<Window> windows = new ArrayList<>();
        for (int[] window : ids) {
            if (stride < 1 || stride > window.length) {
                throw new IllegalArgumentException(
                        "stride: got %d, want 1 to %d, the window's tokens".formatted(stride, window.length));
            }
            int first = windows.isEmpty() ? 1 : Math.max(1, window.length - stride);
            windows.add(new Window(window, first, leading, Scoring.WHOLE_WINDOW));
        }
        return new Windows(windows, Scoring.WHOLE_WINDOW);
    }

    private static void requireSome(List<int[]> windows) {
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

    /** How many. */
    public int count() {
        return windows.size();
    }

    /** Tokens that count, of all windows. */
    public long tokens() {
        return windows.stream().mapToLong(Window::counted).sum();
    }

    public Scoring scoring() {
        return scoring;
    }

    /** The ids of a window's tokens. */
    public int[] ids(int window) {
        return windows.get(window).ids();
    }

    Window window(int index) {
        return windows.get(index);
    }

    /** Places that a cache needs for the longest. */
    int capacity() {
        return windows.stream().mapToInt(window -> window.seen().length).max().orElseThrow();
    }

    /** Stops a long measurement where its thread was interrupted, after so many things done. */
    static void stopIfInterrupted(String things, int done, int all) {
        if (Thread.currentThread().isInterrupted()) {
            throw new CancellationException("interrupted after %d of %d %s".formatted(done, all, things));
        }
    }

    /** SHA-256 of all that a model is fed and of what counts, 64 hexadecimal digits. */
    public String hash() {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (Window window : windows) {
                int[] seen = window.seen();
                ByteBuffer bytes = ByteBuffer.allocate((seen.length + 3) * Integer.BYTES);
                bytes.putInt(seen.length).putInt(window.counted()).putInt(window.countedId(window.counted() - 1));
                bytes.asIntBuffer().put(seen);
                digest.update(bytes.rewind());
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }
}
