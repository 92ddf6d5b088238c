package dev.salient.format;

import java.io.IOException;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/** Something that a thread of its own reads from files; closing waits for it. */
final class Besides<T> implements AutoCloseable {
    private final Thread thread;
    private volatile @Nullable T result;
    private volatile @Nullable Throwable failure;

    /** What is read. */
    @FunctionalInterface
    interface Work<T> {
        @Nullable
        T read() throws IOException;
    }

    Besides(Work<T> work) {
        thread = new Thread(() -> {
            try {
                result = work.read();
            } catch (IOException | RuntimeException | Error e) {
                failure = e;
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    /** What was read, or what came in its way. */
    @Nullable
    T get() throws IOException {
        close();
        switch (failure) {
            case IOException e -> throw e;
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            case null, default -> {}
        }
        return result;
    }

    @Override
    public void close() {
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("opening a model: interrupted");
        }
    }
}
