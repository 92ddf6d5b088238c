package dev.salient.cli;

import picocli.CommandLine;
import picocli.CommandLine.Mixin;

/** The command {@code generate}. */
@CommandLine.Command(name = "generate", header = "Continue a text.")
final class Generate implements Command {
    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) {
        throw new IllegalArgumentException("generate: not built yet");
    }
}
