package dev.salient.examples;

import dev.salient.method.Tuning;
import dev.salient.pipeline.Plan;
import dev.salient.pipeline.Preset;
import dev.salient.pipeline.RunListener;
import dev.salient.pipeline.RunSettings;
import dev.salient.pipeline.TuneRun;
import dev.salient.pipeline.WholeRun;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;

/**
 * Makes a model of 2 bits and tunes it end to end: {@code Quantize MODEL TEXT OUT}.
 *
 * <p>What is finished is on disk; the same command goes on with a run that was stopped.
 */
public final class Quantize {
    /** Windows of text that the whole model is tuned on. */
    private static final int TUNING_WINDOWS = 256;

    private Quantize() {}

    public static void main(String[] args) throws IOException {
        List<Path> texts = List.of(Path.of(args[1]));
        RunSettings.Machine machine = RunSettings.Machine.cpu(Path.of("cache"));
        RunSettings settings = Preset.of("fast").settings(Path.of(args[0]), Path.of(args[2]), texts, machine);
        run(settings.resuming(), TUNING_WINDOWS, System.out);
    }

    /** Quantizes block by block, then tunes; {@code QuantizationRun.run(settings, listener)} does the first part alone. */
    static TuneRun.Outcome run(RunSettings settings, int tuningWindows, PrintStream out) throws IOException {
        WholeRun.Tune tune = new WholeRun.Tune(Tuning.weights(4), tuningWindows);
        TuneRun.Outcome outcome = WholeRun.run(settings, tune, new Lines(out));
        out.printf(
                "%s: held-out KL divergence %.4f before tuning, %.4f after%n",
                outcome.folder(),
                outcome.curve().getFirst().heldOut(),
                outcome.best().heldOut());
        return outcome;
    }

    /** Prints what a run does: its plan, its parts, tenths of them. */
    private static final class Lines implements RunListener {
        private final PrintStream out;
        private String part = "";
        private long steps = 1;
        private long tenths;

        Lines(PrintStream out) {
            this.out = out;
        }

        @Override
        public void planned(Plan plan) {
            out.printf("%.2f bits per weight, about %s%n", plan.bitsPerWeight(), plan.duration());
        }

        @Override
        public void began(String part, long steps) {
            this.part = part;
            this.steps = Math.max(1, steps);
            tenths = 0;
        }

        @Override
        public void reached(long reached) {
            if (reached * 10 / steps > tenths) {
                tenths = reached * 10 / steps;
                out.printf("%s: %d %%%n", part, tenths * 10);
            }
        }

        @Override
        public void note(String line) {
            out.println(line);
        }
    }
}
