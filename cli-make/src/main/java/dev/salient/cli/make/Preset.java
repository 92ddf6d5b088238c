package dev.salient.cli.make;

import dev.salient.method.Method.Start;
import dev.salient.method.Preservation.Scale;
import dev.salient.method.TokenWeighting;

/**
 * Settings that go together.
 *
 * @param method where none is named
 * @param tune windows of text that the model is tuned on end to end when its blocks are done; 0: it is not
 * @param budget extra bits per weight for the makers of massive activations
 */
record Preset(
        String method,
        int samples,
        int tokens,
        int saliencySamples,
        int epochs,
        int rank,
        Start start,
        TokenWeighting weighting,
        double lambda,
        Scale scale,
        double adapterRate,
        double clippingRate,
        boolean cosine,
        double budget,
        int tune) {

    /** The preset of that name. */
    static Preset of(String name) {
        return switch (name) {
            case "fast" ->
                new Preset(
                        "block-ap",
                        16,
                        512,
                        32,
                        8,
                        8,
                        Start.SQUARED_ERROR,
                        TokenWeighting.RELATIVE,
                        0.1,
                        Scale.RELATIVE,
                        5e-3,
                        5e-2,
                        true,
                        0,
                        0);
            case "best" ->
                new Preset(
                        "block-ap",
                        32,
                        512,
                        64,
                        8,
                        8,
                        Start.SQUARED_ERROR,
                        TokenWeighting.RELATIVE,
                        0.1,
                        Scale.RELATIVE,
                        5e-3,
                        5e-2,
                        true,
                        0,
                        1024);
            case "paper" ->
                new Preset(
                        "sapr",
                        128,
                        2048,
                        100,
                        20,
                        64,
                        Start.RANGE,
                        TokenWeighting.PLAIN,
                        1e-3,
                        Scale.ABSOLUTE,
                        5e-4,
                        5e-3,
                        false,
                        0,
                        0);
            default -> throw new IllegalArgumentException("--preset: got %s, want fast, best or paper".formatted(name));
        };
    }
}
