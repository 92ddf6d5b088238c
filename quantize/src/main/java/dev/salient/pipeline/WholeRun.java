package dev.salient.pipeline;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.method.Adapters;
import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.method.Tuning;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Quantizes a model block by block and then tunes it end to end: one folder, one pass from the user's side.
 *
 * <p>The model between both lies in the folder's {@code .salient/start} until the run is done, so that a stopped run goes on in the
 * part that it was in.
 *
 * <pre>{@code
 * TuneRun.Outcome outcome = WholeRun.run(settings, WholeRun.Tune.weights(640), listener);
 * }</pre>
 */
public final class WholeRun {
    private WholeRun() {}

    /**
     * The second part.
     *
     * @param windows of the calibration text that are learned from, as long as those of the first part
     */
    public record Tune(Tuning tuning, int windows) {
        public Tune {
            require(
                    windows >= tuning.batch(),
                    "--tune: got %d windows, want at least the %d of a step",
                    windows,
                    tuning.batch());
        }

        /** Tuning of weights, four windows a step. */
        public static Tune weights(int windows) {
            return new Tune(Tuning.weights(4), windows);
        }
    }

    /**
     * Does all of it.
     *
     * @param settings of the first part; folder, text, machine and seed are those of both
     * @throws IllegalArgumentException where no text is given: tuning wants more than a model writes in a reasonable time
     */
    public static TuneRun.Outcome run(RunSettings settings, Tune tune, RunListener listener) throws IOException {
        RunSettings.Calibration calibration = settings.calibration();
        require(
                !calibration.files().isEmpty(),
                "--tune: got no --calibration, want texts to learn from: some %,d tokens of them",
                (long) tune.windows() * calibration.tokens());
        require(
                !(settings.method() instanceof Method.PartialRetraining own
                        && own.adapters().kind() == Adapters.Kind.DORA),
                "--adapter dora: got --tune, which goes on from LoRA alone: want --tune 0 or --adapter lora");
        require(
                calibration.leading().equals(Leading.NONE),
                "--tune: got --leading-tokens or --intact-kv, with which only blocks are trained: want --tune 0");
        TuneRun.Settings second = second(settings, tune);
        TuneRun.requirePossible(second);
        require(
                !(settings.method().grid() instanceof Grid.BinaryMos),
                "--grid binary-mos: got --tune, which trains codes: want --tune 0");
        RunFolder.requireUsable(settings.out());
        Path start = second.quantized();
        require(
                settings.resume() || !Files.exists(start),
                "%s: got a run that was not finished: --resume goes on with it, or delete the folder",
                settings.out());
        require(
                Files.exists(start) || !RunFolder.isBegun(settings.out()),
                "%s: got a run without tuning that was not finished: go on with --tune 0 --resume, or choose another --out",
                settings.out());
        if (Files.exists(start.resolve(RunFolder.MANIFEST)) && !RunFolder.isUnfinished(start)) {
            requireSame(settings);
        } else {
            makeStart(settings, start, listener);
        }
        return TuneRun.run(second, listener);
    }

    private static TuneRun.Settings second(RunSettings settings, Tune tune) {
        RunSettings.Calibration calibration = settings.calibration();
        return new TuneRun.Settings(
                RunFolder.start(settings.out()),
                settings.model(),
                settings.out(),
                tune.tuning(),
                new RunSettings.Calibration(calibration.files(), tune.windows(), calibration.tokens(), 1),
                settings.machine(),
                settings.seed(),
                true);
    }

    private static void makeStart(RunSettings settings, Path start, RunListener listener) throws IOException {
        try {
            QuantizationRun.run(settings.into(start), listener);
            Files.writeString(RunFolder.firstPart(settings.out()), text(settings));
        } finally {
            RunFolder.deleteIfEmpty(settings.out());
        }
    }

    /** Refuses to go on with what other settings made. */
    private static void requireSame(RunSettings settings) throws IOException {
        Path file = RunFolder.firstPart(settings.out());
        require(
                Files.exists(file) && Files.readString(file).equals(text(settings)),
                "%s: cannot resume: its blocks were made with other settings; ask for the same, or choose another --out",
                settings.out());
    }

    /** What decides how blocks come out. */
    private static String text(RunSettings settings) {
        Map<String, Grid> kept = new TreeMap<>();
        settings.kept().forEach((id, grid) -> kept.put(id.toString(), grid));
        return List.of(
                        settings.method(),
                        kept,
                        String.valueOf(settings.imatrix()),
                        settings.budget(),
                        settings.target(),
                        settings.calibration(),
                        settings.seed())
                .toString();
    }
}
