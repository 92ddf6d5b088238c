package dev.salient.measure;

/**
 * How a measurement works.
 *
 * @param threads that compare logits, at least 1; models compute with threads of their own
 * @param progress hears of every window
 */
public record Work(int threads, Progress progress) {
    /** On all cores, and nobody listens. */
    public static Work quietly() {
        return new Work(Runtime.getRuntime().availableProcessors(), Progress.NONE);
    }

    public Work {
        if (threads < 1) {
            throw new IllegalArgumentException("threads: got %d, want 1 or more".formatted(threads));
        }
    }
}
