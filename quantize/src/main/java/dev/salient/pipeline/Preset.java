package dev.salient.pipeline;

import dev.salient.method.Adapters;
import dev.salient.method.Grid;
import dev.salient.method.HeldOut;
import dev.salient.method.Method;
import dev.salient.method.Method.Start;
import dev.salient.method.Preservation;
import dev.salient.method.Preservation.Place;
import dev.salient.method.Preservation.Saliency;
import dev.salient.method.Preservation.Scale;
import dev.salient.method.Stage;
import dev.salient.method.Stage.Objective;
import dev.salient.method.Terms;
import dev.salient.method.TokenWeighting;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Settings that go together.
 *
 * <pre>{@code
 * RunSettings settings = Preset.of("fast").settings(model, out, List.of(text), RunSettings.Machine.cpu(cache));
 * }</pre>
 *
 * @param method sapr or block-ap
 * @param tune windows of text that the model is tuned on end to end when its blocks are done; 0: it is not
 */
public record Preset(
        String method,
        int samples,
        int tokens,
        int saliencySamples,
        int epochs,
        int rank,
        Adapters.Start adapterStart,
        Start start,
        TokenWeighting weighting,
        double lambda,
        Scale scale,
        double adapterRate,
        double clippingRate,
        boolean cosine,
        int tune) {
    /** Of block-ap's weights: what did best on SmolLM2 so far (docs/results/main-job.md); larger weights bear more. */
    public static final double BLOCK_AP_RATE = 4e-4;

    /** The adapters' output is scaled by this, divided by their rank. */
    public static final double ALPHA = 16;

    /** AdamW's weight decay. */
    public static final double DECAY = 0.1;

    /** fast (minutes for a small model), best (hours; tuned end to end too) or paper (days; the paper's settings). */
    public static Preset of(String name) {
        return switch (name) {
            case "fast" -> blockAp(16, 32, 0);
            case "best" -> blockAp(32, 64, 1024);
            case "paper" ->
                new Preset(
                        "sapr",
                        128,
                        2048,
                        100,
                        20,
                        64,
                        Adapters.Start.ZERO,
                        Start.RANGE,
                        TokenWeighting.PLAIN,
                        1e-3,
                        Scale.ABSOLUTE,
                        5e-4,
                        5e-3,
                        false,
                        0);
            default -> throw new IllegalArgumentException("--preset: got %s, want fast, best or paper".formatted(name));
        };
    }

    /** How the whole model is tuned afterwards; null where it is not. */
    public WholeRun.@Nullable Tune tuning() {
        return tune == 0 ? null : WholeRun.Tune.weights(tune);
    }

    private static Preset blockAp(int samples, int saliencySamples, int tune) {
        return new Preset(
                "block-ap",
                samples,
                512,
                saliencySamples,
                8,
                8,
                Adapters.Start.LQER,
                Start.SQUARED_ERROR,
                TokenWeighting.RELATIVE,
                0.1,
                Scale.RELATIVE,
                5e-3,
                5e-2,
                true,
                tune);
    }

    /** The preset's method, on groups of 64 weights of 2 bits. */
    public Method.PartialRetraining retraining() {
        boolean preserves = method.equals("sapr") && lambda > 0;
        Objective objective = preserves ? Objective.MIXED : Objective.OUTPUT;
        double weightRate = method.equals("block-ap") ? BLOCK_AP_RATE : 0;
        return new Method.PartialRetraining(
                new Grid.Signed2(64),
                start,
                method.equals("block-ap")
                        ? new Adapters(Adapters.Kind.LORA, 0, ALPHA, Adapters.Start.ZERO)
                        : new Adapters(Adapters.Kind.LORA, rank, ALPHA, adapterStart),
                Method.Scope.BLOCK,
                weighting,
                new Preservation(Saliency.FISHER, Place.BEFORE_ADAPTER, preserves ? lambda : 0, scale, 1),
                List.of(new Stage(objective, Terms.NONE, epochs, adapterRate, clippingRate, weightRate, DECAY, cosine)),
                HeldOut.NONE);
    }

    /**
     * What is done block by block; the parts of its settings can be replaced. Where {@link #tuning} is not null,
     * {@link WholeRun} does both.
     *
     *
     * @param model a Hugging Face folder or a GGUF file
     * @param out the folder to write
     * @param texts to calibrate on; none: the model writes its own
     */
    public RunSettings settings(Path model, Path out, List<Path> texts, RunSettings.Machine machine) {
        RunSettings.Calibration calibration = new RunSettings.Calibration(texts, samples, tokens, saliencySamples);
        return new RunSettings(
                model, out, retraining(), Map.of(), null, 0, Target.NONE, calibration, machine, 0, false);
    }
}
