package dev.salient.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpResponse;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** A server's answer whose body is still to be read; a body that nothing comes from any more fails. */
final class Answer implements AutoCloseable {
    private final HttpResponse<InputStream> response;
    private final Duration patience;
    private final Thread watch;
    private volatile long lastRead = System.nanoTime();
    private volatile boolean stalled;

    Answer(HttpResponse<InputStream> response, Duration patience) {
        this.response = response;
        this.patience = patience;
        watch = Thread.ofVirtual().start(this::watch);
    }

    int status() {
        return response.statusCode();
    }

    @Nullable
    String findHeader(String name) {
        return response.headers().firstValue(name).orElse(null);
    }

    String host() {
        return response.uri().getHost();
    }

    /** Reads some bytes; their number, or -1 at the end. */
    int read(byte[] buffer) throws TransientException, InterruptedException {
        lastRead = System.nanoTime();
        try {
            return response.body().read(buffer);
        } catch (IOException e) {
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
            throw new TransientException(
                    stalled
                            ? "nothing came for %d s".formatted(Math.max(1, patience.toSeconds()))
                            : "the connection was cut");
        }
    }

    /** Reading blocks for as long as the server likes; closing the body from outside ends that. */
    private void watch() {
        try {
            long left;
            while ((left = lastRead + patience.toNanos() - System.nanoTime()) > 0) {
                Thread.sleep(Duration.ofNanos(left));
            }
            stalled = true;
            closeBody();
        } catch (InterruptedException e) {
            // the answer was read
        }
    }

    private void closeBody() {
        try {
            response.body().close();
        } catch (IOException e) {
            // nobody reads it any more
        }
    }

    @Override
    public void close() {
        watch.interrupt();
        closeBody();
    }
}
