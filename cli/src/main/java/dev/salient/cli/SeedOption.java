package dev.salient.cli;

import picocli.CommandLine.Option;

/** The seed of everything random; a picocli mixin. */
public final class SeedOption {
    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "0",
            description = "Seed of everything random. Default: ${DEFAULT-VALUE}.")
    private long seed;

    /** The seed asked for, or 0. */
    public long seed() {
        return seed;
    }
}
