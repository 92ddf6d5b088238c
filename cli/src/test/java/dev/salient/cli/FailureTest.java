package dev.salient.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.format.FormatException;
import dev.salient.format.MismatchException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;

class FailureTest {
    @Test
    void badInputIsStatusTwo() {
        assertThat(Failure.of(new FormatException("a.gguf: magic: got %d, want GGUF", 7)))
                .isEqualTo(new Failure(2, "a.gguf: magic: got 7, want GGUF", null));
        assertThat(Failure.of(new IllegalArgumentException("--threads: got 0, want 1 or more")))
                .isEqualTo(new Failure(2, "--threads: got 0, want 1 or more", null));
        assertThat(Failure.of(new NoSuchFileException("text.txt")))
                .isEqualTo(new Failure(2, "text.txt: got no such file or folder", null));
        assertThat(Failure.of(new AccessDeniedException("text.txt")))
                .isEqualTo(new Failure(2, "text.txt: access denied", null));
        assertThat(Failure.of(new IOException("a: got no JSON"))).isEqualTo(new Failure(2, "a: got no JSON", null));
        assertThat(Failure.of(new FileAlreadyExistsException("out")))
                .isEqualTo(new Failure(2, "out: exists already", null));
    }

    @Test
    void wrappedFailureIsTheInnerOne() {
        assertThat(Failure.of(new UncheckedIOException(new FormatException("a: got b"))))
                .isEqualTo(new Failure(2, "a: got b", null));
        assertThat(Failure.of(new ExecutionException(new IllegalArgumentException("a: got b"))))
                .isEqualTo(new Failure(2, "a: got b", null));
    }

    @Test
    void ourFailuresAreStatusOne() {
        IOException fullDisk = new IOException("No space left on device");
        fullDisk.setStackTrace(
                new StackTraceElement[] {new StackTraceElement("sun.nio.ch.FileDispatcher", "write", "", 1)});
        assertThat(Failure.of(fullDisk)).isEqualTo(new Failure(1, "No space left on device", null));
        assertThat(Failure.of(new MismatchException("a.gguf: read back %d, want %d", 1, 2)))
                .isEqualTo(new Failure(1, "a.gguf: read back 1, want 2", null));
        assertThat(Failure.of(new NullPointerException("x")))
                .isEqualTo(new Failure(
                        1, "internal failure: NullPointerException: x", "--verbose shows where; please report it"));
        assertThat(Failure.of(new OutOfMemoryError("Java heap space")))
                .isEqualTo(new Failure(
                        1,
                        "out of memory: Java heap space",
                        "give the JVM more: SALIENT_JAVA_OPTS=-Xmx8g ./salient ..."));
    }

    @Test
    void messageIsAlwaysOneLine() {
        assertThat(Failure.of(new IllegalArgumentException("a\n  b\r\nc\n")).message())
                .isEqualTo("a b c");
    }
}
