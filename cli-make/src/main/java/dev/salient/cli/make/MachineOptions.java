package dev.salient.cli.make;

import dev.salient.cli.CacheFolder;
import dev.salient.cli.ThreadsOption;
import dev.salient.pipeline.RunSettings;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What a run may use of the machine; a picocli mixin. */
final class MachineOptions {
    @Option(names = "--device", paramLabel = "NAME", description = "cpu, cuda or cuda:N. Default: ${DEFAULT-VALUE}.")
    private String device = "cpu";

    @Mixin
    private final ThreadsOption threads = new ThreadsOption();

    /** The machine asked for, with that much memory, in GB. */
    RunSettings.Machine machine(double memory) {
        return new RunSettings.Machine(device, threads.threads(), (long) (memory * (1L << 30)), CacheFolder.path());
    }
}
