package dev.salient.cli;

/**
 * One command of the program: a class annotated with {@link picocli.CommandLine.Command}.
 *
 * <p>A command never prints, catches or exits by itself: it speaks through the console, and what it throws becomes the
 * line that the user reads and the exit status ({@link Failure}).
 */
public interface Command {
    /** The options that every command has. */
    CommonOptions common();

    /**
     * Refuses options that make no sense, before any work; {@link #run} does too.
     *
     * @throws IllegalArgumentException with the line that the user reads
     */
    default void check() {}

    /** Does the work. */
    void run(Console console) throws Exception;
}
