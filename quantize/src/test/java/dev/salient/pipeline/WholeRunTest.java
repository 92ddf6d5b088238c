package dev.salient.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.method.Adapters;
import dev.salient.method.Grid;
import dev.salient.method.HeldOut;
import dev.salient.method.Method;
import dev.salient.method.Method.Start;
import dev.salient.method.Preservation;
import dev.salient.method.Stage;
import dev.salient.method.Terms;
import dev.salient.method.TokenWeighting;
import dev.salient.method.Tuning;
import dev.salient.pipeline.Runs.Silent;
import dev.salient.pipeline.Runs.Stopped;
import dev.salient.pipeline.Runs.Stopping;
import dev.salient.torch.TorchDevice.Precision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WholeRunTest {
    private static final WholeRun.Tune TUNE = new WholeRun.Tune(
            new Tuning(
                    Tuning.Moves.WEIGHTS,
                    1,
                    3,
                    3e-3,
                    1e-2,
                    1e-3,
                    1e-2,
                    0,
                    new Tuning.CodeSteps(0.5, 0.01, 0.2, 0.5),
                    Tuning.Pull.NONE),
            12);

    @TempDir
    Path folder;

    @BeforeEach
    void writeModelAndText() throws IOException {
        Runs.writeModelAndText(folder);
    }

    private RunSettings settings(String out, boolean resume) {
        return settings(out, List.of(folder.resolve("text.txt")), resume);
    }

    private RunSettings settings(String out, List<Path> texts, boolean resume) {
        Method blockAp = new Method.PartialRetraining(
                new Grid.Signed2(64),
                Start.SQUARED_ERROR,
                Adapters.NONE,
                Method.Scope.BLOCK,
                TokenWeighting.RELATIVE,
                new Preservation(
                        Preservation.Saliency.FISHER,
                        Preservation.Place.BEFORE_ADAPTER,
                        0,
                        Preservation.Scale.RELATIVE,
                        1),
                List.of(new Stage(Stage.Objective.OUTPUT, Terms.NONE, 2, 0, 1e-2, 1e-3, 0, true)),
                HeldOut.NONE);
        return new RunSettings(
                folder.resolve("model"),
                folder.resolve(out),
                blockAp,
                Map.of(),
                null,
                0,
                Target.NONE,
                new RunSettings.Calibration(texts, 4, 24, 1),
                new RunSettings.Machine("cpu", Precision.HIGHEST, 1, 4L << 30, folder.resolve("cache")),
                1,
                resume);
    }

    @Test
    void doraIsNotTunedAndThatIsSaidFirst() {
        RunSettings plain = settings("dora", false);
        Method.PartialRetraining lora = (Method.PartialRetraining) plain.method();
        Method dora = new Method.PartialRetraining(
                lora.grid(),
                lora.start(),
                new Adapters(Adapters.Kind.DORA, 4, 16, Adapters.Start.ZERO),
                lora.scope(),
                lora.weighting(),
                lora.preservation(),
                lora.stages(),
                lora.heldOut());
        assertThatThrownBy(() -> WholeRun.run(plain.with(dora), TUNE, new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "--adapter dora: got --tune, which goes on from LoRA alone: want --tune 0 or --adapter lora");
        assertThat(folder.resolve("dora")).doesNotExist();
    }

    @Test
    void writesWhatBothPartsWriteOneAfterTheOther() throws IOException {
        WholeRun.run(settings("whole", false), TUNE, new Silent());
        QuantizationRun.run(settings("start", false), new Silent());
        TuneRun.run(
                new TuneRun.Settings(
                        folder.resolve("start"),
                        folder.resolve("model"),
                        folder.resolve("tuned"),
                        TUNE.tuning(),
                        new RunSettings.Calibration(List.of(folder.resolve("text.txt")), 12, 24, 1),
                        settings("tuned", false).machine(),
                        1,
                        false),
                new Silent());
        assertThat(Runs.files(folder.resolve("whole"))).isEqualTo(Runs.files(folder.resolve("tuned")));
        assertThat(folder.resolve("whole/salient-run.json")).content().contains("\"block-ap\"", "\"WEIGHTS\"");
    }

    @ParameterizedTest(name = "stopped in {0} after {1} steps")
    @CsvSource({"quantize, 0", "quantize, 9", "report, 0", "tune, 0", "tune, 2", "tune, 4"})
    void resumedRunEqualsUninterruptedRun(String part, int steps) throws IOException {
        WholeRun.run(settings("whole", false), TUNE, new Silent());
        assertThatThrownBy(() -> WholeRun.run(settings("stopped", false), TUNE, new Stopping(part, steps)))
                .isInstanceOf(Stopped.class);
        if (Files.exists(folder.resolve("stopped"))) {
            assertThatThrownBy(() -> WholeRun.run(settings("stopped", false), TUNE, new Silent()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(
                            "%s: got a run that was not finished: --resume goes on with it, or delete the folder",
                            folder.resolve("stopped"));
        }
        WholeRun.run(settings("stopped", true), TUNE, new Silent());
        assertThat(Runs.files(folder.resolve("stopped"))).isEqualTo(Runs.files(folder.resolve("whole")));
    }

    @Test
    void aFolderWithOtherFilesIsRefusedBeforeAnythingIsDone() throws IOException {
        Files.createDirectories(folder.resolve("mine"));
        Files.writeString(folder.resolve("mine/thesis.tex"), "years of work");
        assertThatThrownBy(() -> WholeRun.run(settings("mine", false), TUNE, new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "%s: got a folder that holds other files, want a new or empty one: choose another --out",
                        folder.resolve("mine"));
        assertThat(Runs.files(folder.resolve("mine"))).containsOnlyKeys("thesis.tex");
    }

    @Test
    void aModelThatWouldHaveToWriteItsOwnTextIsRefused() {
        assertThatThrownBy(() -> WholeRun.run(settings("out", List.of(), false), TUNE, new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("--tune: got no --calibration, want texts to learn from: some 288 tokens of them");
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void whatTheSecondPartWouldRefuseIsSaidBeforeTheFirst() {
        RunSettings tight = settings("out", false);
        RunSettings.Machine small =
                new RunSettings.Machine("cpu", Precision.HIGHEST, 1, 100L << 20, folder.resolve("cache"));
        RunSettings asked = new RunSettings(
                tight.model(),
                tight.out(),
                tight.method(),
                tight.kept(),
                null,
                0,
                Target.NONE,
                tight.calibration(),
                small,
                1,
                false);
        assertThatThrownBy(() -> WholeRun.run(asked, TUNE, new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageMatching("--memory: got 100 MB, want \\d+ MB to tune this model: give more, or take fewer"
                        + " --tokens or smaller batches");
        assertThatThrownBy(() -> new WholeRun.Tune(TUNE.tuning(), 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("--tune: got 2 windows, want at least the 3 of a step");
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void otherSettingsOfTheFirstPartAreRefusedWhenItIsDone() {
        assertThatThrownBy(() -> WholeRun.run(settings("out", false), TUNE, new Stopping("tune", 2)))
                .isInstanceOf(Stopped.class);
        RunSettings.Calibration more = new RunSettings.Calibration(List.of(folder.resolve("text.txt")), 5, 24, 1);
        assertThatThrownBy(() -> WholeRun.run(settings("out", true).with(more), TUNE, new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "%s: cannot resume: its blocks were made with other settings; ask for the same, or choose another --out",
                        folder.resolve("out"));
    }

    @Test
    void runsWithAndWithoutTuningDoNotGoOnWithEachOther() {
        assertThatThrownBy(() -> QuantizationRun.run(settings("plain", false), new Stopping("quantize", 9)))
                .isInstanceOf(Stopped.class);
        assertThatThrownBy(() -> WholeRun.run(settings("plain", true), TUNE, new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "%s: got a run without tuning that was not finished: go on with --tune 0 --resume, or choose another"
                                + " --out",
                        folder.resolve("plain"));
        assertThatThrownBy(() -> WholeRun.run(settings("both", false), TUNE, new Stopping("tune", 0)))
                .isInstanceOf(Stopped.class);
        assertThatThrownBy(() -> QuantizationRun.run(settings("both", true), new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "%s: got a run that is tuned too and was not finished: go on with the same --tune and --resume, or"
                                + " choose another --out",
                        folder.resolve("both"));
    }
}
