package dev.salient.cli;

import static dev.salient.tensor.Preconditions.require;

import picocli.CommandLine.Option;

/** How many threads may compute; a picocli mixin. */
public final class ThreadsOption {
    @Option(names = "--threads", paramLabel = "N", description = "Threads to compute with. Default: all cores.")
    private int threads = Runtime.getRuntime().availableProcessors();

    /**
     * The number asked for, or all cores.
     *
     * @throws IllegalArgumentException where it is less than 1
     */
    public int threads() {
        require(threads > 0, "--threads: got %d, want 1 or more", threads);
        return threads;
    }
}
