package dev.salient.cli;

/** How far a long piece of work is, shown on standard error until it is closed. */
public interface Progress extends AutoCloseable {
    /** Counts this many more steps as done. */
    void advance(long steps);

    /** Shows a few words behind the numbers: the loss so far, say. */
    void note(String words);

    @Override
    void close();
}
