package dev.salient.cli;

import picocli.CommandLine.Option;

/** The options that every command has; a picocli mixin. */
public final class CommonOptions {
    @Option(names = "--json", description = "Print one JSON object on standard output.")
    private boolean json;

    @Option(names = "--verbose", description = "Say more; show where a failure came from.")
    private boolean verbose;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help.")
    private boolean help;

    /** Whether results are one JSON object. */
    public boolean json() {
        return json;
    }

    /** Whether to say more. */
    public boolean verbose() {
        return verbose;
    }

    boolean help() {
        return help;
    }
}
