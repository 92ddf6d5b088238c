package dev.salient.cli;

import picocli.CommandLine;
import picocli.CommandLine.Mixin;

/** The command {@code perplexity}. */
@CommandLine.Command(name = "perplexity", header = "Measure how well a model predicts a text.")
final class Perplexity implements Command {
    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) {
        throw new IllegalArgumentException("perplexity: not built yet");
    }
}
