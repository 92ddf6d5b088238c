package dev.salient.cli;

import dev.salient.generate.Ending;
import dev.salient.generate.Sampling;
import java.util.HashSet;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How a model's text is drawn, and what ends it; a picocli mixin. */
public final class SamplingOptions {
    @Option(
            names = "--temperature",
            paramLabel = "T",
            defaultValue = "0.8",
            description = "0 takes the likeliest token, 1 the model's own chances. Default: ${DEFAULT-VALUE}.")
    private double temperature;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            defaultValue = "0.95",
            description = "Only the likeliest tokens that together reach P. Default: ${DEFAULT-VALUE}; 1: all.")
    private double topP;

    @Option(
            names = "--top-k",
            paramLabel = "K",
            defaultValue = "0",
            description = "Only the K likeliest tokens. Default: all.")
    private int topK;

    @Option(
            names = "--min-p",
            paramLabel = "P",
            defaultValue = "0",
            description = "Only tokens at least P times as likely as the likeliest. Default: all.")
    private double minP;

    @Option(
            names = "--repetition-penalty",
            paramLabel = "R",
            defaultValue = "1",
            description = "Above 1: tokens that came before are less likely. Default: ${DEFAULT-VALUE}.")
    private double repetitionPenalty;

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            defaultValue = "512",
            description = "At most N new tokens. Default: ${DEFAULT-VALUE}.")
    private int maxTokens;

    @Option(names = "--stop", paramLabel = "TEXT", description = "End before this text. May be given several times.")
    private List<String> stop = List.of();

    @Mixin
    private final SeedOption seed = new SeedOption();

    /** The drawing of tokens that was asked for. */
    public Sampling sampling() {
        return new Sampling(temperature, topP, topK, minP, repetitionPenalty, seed.seed());
    }

    /** The end that was asked for, and the model's own. */
    public Ending ending(List<Integer> endTokens) {
        return new Ending(maxTokens, new HashSet<>(endTokens), stop);
    }

    /** Says what is wrong with these options, before a model is loaded for them. */
    void check() {
        sampling();
        ending(List.of());
    }

    int maxTokens() {
        return maxTokens;
    }
}
