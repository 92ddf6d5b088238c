package dev.salient.pipeline;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.method.Tuning;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Quantizes a model block by block and then tunes it end to end: one folder, one pass from the user's side.
 *
 * <p>The model between both lies in the folder's {@code .salient/start} until the run is done, so that a stopped run goes on in the
 * part that it was in.
 *
 * <pre>{@code
 * TuneRun.Outcome outcome = WholeRun.run(settings, new WholeRun.Tune(tuning, 640), listener);
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
            require(windows > 0, "--tune: got %d windows, want 1 or more", windows);
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
        Path start = RunFolder.start(settings.out());
        boolean begun = Files.exists(start);
        require(
                settings.resume() || !begun,
                "%s: got a run that was not finished: --resume goes on with it, or delete the folder",
                settings.out());
        RunFolder.requireUsable(settings.out());
        if (!Files.exists(start.resolve(RunFolder.MANIFEST)) || RunFolder.isUnfinished(start)) {
            try {
                QuantizationRun.run(settings.into(start), listener);
            } finally {
                RunFolder.deleteIfEmpty(settings.out());
            }
        }
        return TuneRun.run(
                new TuneRun.Settings(
                        start,
                        settings.model(),
                        settings.out(),
                        tune.tuning(),
                        new RunSettings.Calibration(calibration.files(), tune.windows(), calibration.tokens(), 1),
                        settings.machine(),
                        settings.seed(),
                        true),
                listener);
    }
}
