package dev.salient.cli;

import picocli.CommandLine;
import picocli.CommandLine.Mixin;

/** The command {@code inspect}. */
@CommandLine.Command(name = "inspect", header = "Show what a model is made of.")
final class Inspect implements Command {
    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) {
        throw new IllegalArgumentException("inspect: not built yet");
    }
}
