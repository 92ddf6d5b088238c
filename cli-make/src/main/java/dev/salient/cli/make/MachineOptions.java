package dev.salient.cli.make;

import dev.salient.cli.CacheFolder;
import dev.salient.cli.ThreadsOption;
import dev.salient.pipeline.RunSettings;
import dev.salient.torch.TorchDevice.Precision;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What a run may use of the machine; a picocli mixin. */
final class MachineOptions {
    @Option(names = "--device", paramLabel = "NAME", description = "cpu, cuda or cuda:N. Default: ${DEFAULT-VALUE}.")
    private String device = "cpu";

    @Option(
            names = "--precision",
            paramLabel = "NAME",
            description =
                    "How products of fp32 matrices may round: highest (not at all), high (TF32 on CUDA) or medium (bf16"
                            + " where the device computes with it). Default: ${DEFAULT-VALUE}.")
    private String precision = "highest";

    @Mixin
    private final ThreadsOption threads = new ThreadsOption();

    private Precision precision() {
        for (Precision known : Precision.values()) {
            if (known.label().equals(precision)) {
                return known;
            }
        }
        throw new IllegalArgumentException("--precision: got %s, want highest, high or medium".formatted(precision));
    }

    /** The machine asked for, with that much memory, in GB. */
    RunSettings.Machine machine(double memory) {
        return new RunSettings.Machine(
                device, precision(), threads.threads(), (long) (memory * (1L << 30)), CacheFolder.path());
    }
}
