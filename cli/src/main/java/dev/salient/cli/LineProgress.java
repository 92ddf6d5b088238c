package dev.salient.cli;

import java.time.Duration;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/** Progress as plain lines, for logs and pipes: one every few seconds at most, and one at the end. */
final class LineProgress implements Progress {
    private static final long INTERVAL = Duration.ofSeconds(5).toNanos();

    private final Work work;
    private final Consumer<String> lines;
    private final LongSupplier nanoTime;
    private final long started;
    private long shown;
    private long done;
    private String words = "";

    /** The unit of which a number is written as people read it. */
    static final String BYTES = "bytes";

    /**
     * What is done, in which steps.
     *
     * @param total steps in all
     * @param before steps of them that were done before
     */
    record Work(String task, String unit, long total, long before) {}

    LineProgress(Work work, Consumer<String> lines, LongSupplier nanoTime) {
        this.work = work;
        this.lines = lines;
        this.nanoTime = nanoTime;
        started = nanoTime.getAsLong();
        shown = started;
        done = work.before();
    }

    @Override
    public synchronized void advance(long steps) {
        done += steps;
        long now = nanoTime.getAsLong();
        if (now - shown >= INTERVAL && done < work.total()) {
            shown = now;
            long own = Math.max(1, done - work.before());
            Duration left = Duration.ofNanos((long) ((double) (now - started) / own * (work.total() - done)));
            lines.accept(line() + ", " + Words.duration(left) + " left");
        }
    }

    @Override
    public synchronized void note(String words) {
        this.words = words;
    }

    @Override
    public synchronized void close() {
        Duration took = Duration.ofNanos(nanoTime.getAsLong() - started);
        if (done > work.before()) {
            lines.accept(line() + " in " + Words.duration(took));
        }
    }

    private String line() {
        String numbers = work.unit().equals(BYTES)
                ? "%s: %s of %s".formatted(work.task(), Words.bytes(done), Words.bytes(work.total()))
                : "%s: %d/%d %s".formatted(work.task(), done, work.total(), work.unit());
        return words.isEmpty() ? numbers : numbers + ", " + words;
    }
}
