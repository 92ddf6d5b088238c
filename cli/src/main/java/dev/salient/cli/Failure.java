package dev.salient.cli;

import dev.salient.format.FormatException;
import dev.salient.hub.HubException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ParameterException;

/**
 * What a user is told when a command fails.
 *
 * @param exitCode 2 where the input is bad, 1 where we failed, 130 where the user stopped us
 * @param message one line
 * @param hint what to do about it, one line, or null
 */
record Failure(int exitCode, String message, @Nullable String hint) {
    static final int OK = 0;
    static final int OURS = 1;
    static final int BAD_INPUT = 2;
    static final int INTERRUPTED = 130;

    Failure {
        message = message.strip().replaceAll("\\s*\\R\\s*", " ");
    }

    /** Finds the words for what was thrown. */
    static Failure of(Throwable thrown) {
        return switch (thrown) {
            case UncheckedIOException e when e.getCause() != null -> of(e.getCause());
            case ExecutionException e when e.getCause() != null -> of(e.getCause());
            case ParameterException e when e.getCause() instanceof ModelPath.NotHereException cause -> of(cause);
            case ParameterException e ->
                new Failure(
                        BAD_INPUT,
                        message(e),
                        "see " + e.getCommandLine().getCommandSpec().qualifiedName() + " --help");
            case ModelPath.NotHereException e -> new Failure(BAD_INPUT, message(e), e.hint());
            case HubException e -> new Failure(e.isTemporary() ? OURS : BAD_INPUT, message(e), e.hint());
            case FormatException e -> new Failure(BAD_INPUT, message(e), null);
            case IllegalArgumentException e -> new Failure(BAD_INPUT, message(e), null);
            case NoSuchFileException e -> new Failure(BAD_INPUT, e.getFile() + ": got no such file or folder", null);
            case AccessDeniedException e -> new Failure(BAD_INPUT, e.getFile() + ": access denied", null);
            case FileAlreadyExistsException e -> new Failure(BAD_INPUT, e.getFile() + ": exists already", null);
            case FileSystemException e -> new Failure(BAD_INPUT, message(e), null);
            case InterruptedException e -> new Failure(INTERRUPTED, "interrupted", null);
            case IOException e when madeByUs(e) -> new Failure(BAD_INPUT, message(e), null);
            case IOException e -> new Failure(OURS, message(e), null);
            case OutOfMemoryError e ->
                new Failure(
                        OURS,
                        "out of memory: " + message(e),
                        "give the JVM more: SALIENT_JAVA_OPTS=-Xmx8g ./salient ...");
            case Throwable e when ours(e) -> new Failure(OURS, message(e), "--verbose shows where");
            default ->
                new Failure(
                        OURS,
                        "internal failure: " + thrown.getClass().getSimpleName() + ": " + message(thrown),
                        "--verbose shows where; please report it");
        };
    }

    private static boolean ours(Throwable thrown) {
        return thrown.getClass().getPackageName().startsWith("dev.salient.");
    }

    /** An IOException that our readers made is about a file; the JDK's own are about the machine: a full disk. */
    private static boolean madeByUs(IOException thrown) {
        StackTraceElement[] trace = thrown.getStackTrace();
        return thrown.getClass() == IOException.class
                && trace.length > 0
                && trace[0].getClassName().startsWith("dev.salient.");
    }

    private static String message(Throwable thrown) {
        String message = thrown.getMessage();
        return message == null ? thrown.getClass().getSimpleName() : message;
    }
}
