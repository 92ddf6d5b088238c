package dev.salient.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.calibration.IntactKeys;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.method.Adapters;
import dev.salient.method.Grid;
import dev.salient.method.HeldOut;
import dev.salient.method.Method;
import dev.salient.method.Method.Start;
import dev.salient.method.Preservation;
import dev.salient.method.Stage;
import dev.salient.method.Terms;
import dev.salient.method.TokenWeighting;
import dev.salient.model.IntactKv;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchDevice.Precision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs whose models keep the original's keys and values of the tokens that texts begin with. */
class IntactRunTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final Grid GRID = new Grid.Signed2(32);

    @TempDir
    Path folder;

    @BeforeEach
    void makeModel() throws IOException {
        TinyLlama.write(folder.resolve("model"), 7);
        Files.writeString(folder.resolve("text.txt"), "The quick brown fox. ".repeat(60));
    }

    private static Method method(String name) {
        return switch (name) {
            case "rtn" -> new Method.Rtn(GRID, Start.SQUARED_ERROR);
            case "gptq" -> new Method.Gptq(GRID, Start.SQUARED_ERROR, 0.01, false);
            case "gsq" -> new Method.Gsq(GRID, Start.SQUARED_ERROR, TokenWeighting.PLAIN, 1, 2e-3, 2e-3);
            default -> apiq(name.equals("apiq") ? Method.Scope.BLOCK : Method.Scope.LINEARS);
        };
    }

    private static Method apiq(Method.Scope scope) {
        Terms terms = scope == Method.Scope.BLOCK ? new Terms(0.1, 0.1) : Terms.NONE;
        return new Method.PartialRetraining(
                GRID,
                Start.SQUARED_ERROR,
                new Adapters(Adapters.Kind.LORA, 4, 16, Adapters.Start.LQER),
                scope,
                TokenWeighting.RELATIVE,
                new Preservation(
                        Preservation.Saliency.UNIFORM,
                        Preservation.Place.BEFORE_ADAPTER,
                        0.1,
                        Preservation.Scale.RELATIVE,
                        1),
                List.of(new Stage(Stage.Objective.OUTPUT, terms, 2, 5e-4, 5e-3, 0, 0.1, false)),
                HeldOut.NONE);
    }

    private RunSettings settings(String out, String method, Leading leading) {
        return new RunSettings(
                folder.resolve("model"),
                folder.resolve(out),
                method(method),
                Map.of(),
                null,
                0,
                Target.NONE,
                new RunSettings.Calibration(List.of(folder.resolve("text.txt")), 3, 24, 2, leading),
                new RunSettings.Machine("cpu", Precision.HIGHEST, 1, 4L << 30, folder.resolve("cache")),
                11,
                false);
    }

    @ParameterizedTest
    @ValueSource(strings = {"rtn", "gptq", "gsq", "apiq", "apiq-lw"})
    void theFolderHoldsWhatTheOriginalHasAndSaysWhatItCosts(String method) throws IOException {
        QuantizationRun.Outcome plain =
                QuantizationRun.run(settings("plain", method, new Leading("ab", false)), new Runs.Silent());
        QuantizationRun.Outcome kept =
                QuantizationRun.run(settings("kept", method, new Leading("ab", true)), new Runs.Silent());
        try (Checkpoint original = Checkpoints.open(folder.resolve("model"));
                Checkpoint read = Checkpoints.open(kept.folder());
                Checkpoint without = Checkpoints.open(plain.folder())) {
            IntactKv got = Objects.requireNonNull(read.weights().intact());
            IntactKv want = IntactKeys.of(original.weights(), new int[] {'a', 'b'}, CPU);
            assertThat(got.tokens()).containsExactly((int) 'a', (int) 'b');
            for (int block = 0; block < 2; block++) {
                assertThat(got.keys(block)).isEqualTo(want.keys(block));
                assertThat(got.values(block)).isEqualTo(want.values(block));
            }
            assertThat(without.weights().intact()).isNull();
            double cost = 2.0 * 2 * 2 * 32 * 16 / read.weights().config().linearWeightCount();
            assertThat(kept.bitsPerWeight()).isCloseTo(plain.bitsPerWeight() + cost, within(1e-9));
            assertThat(Checkpoints.describe(read).bitsPerWeight())
                    .isCloseTo(Checkpoints.describe(without).bitsPerWeight() + cost, within(1e-9));
        }
        assertThat(kept.folder().resolve("salient-run.json")).content().contains("\"intactKv\" : true");
        assertThat(kept.folder().resolve("README.md")).content().contains("only Salient reads");
        assertThat(plain.folder().resolve("salient-run.json")).content().contains("\"intactKv\" : false");
    }

    @Test
    void aStoppedRunGoesOnAlikeAndRefusesToDropThem() throws IOException {
        Leading leading = new Leading("ab", true);
        QuantizationRun.run(settings("whole", "apiq", leading), new Runs.Silent());
        RunSettings stopped = settings("stopped", "apiq", leading);
        assertThatThrownBy(() -> QuantizationRun.run(stopped, new Runs.Stopping("quantize", 8)))
                .isInstanceOf(Runs.Stopped.class);
        RunSettings dropped =
                settings("stopped", "apiq", new Leading("ab", false)).resuming();
        assertThatThrownBy(() -> QuantizationRun.run(dropped, new Runs.Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(stopped.out()
                        + ": cannot resume: intactKv: got false, want true as before; ask for the same, or"
                        + " choose another --out");
        QuantizationRun.run(stopped.resuming(), new Runs.Silent());
        assertThat(Runs.files(stopped.out())).isEqualTo(Runs.files(folder.resolve("whole")));
    }

    @Test
    void windowsBeginWithTheTokensAndStayAsLong() {
        List<int[]> begun = Leading.before(List.of(new int[] {5, 6, 7, 8}, new int[] {1, 2, 7, 8}), new int[] {1, 2});
        assertThat(begun.get(0)).containsExactly(1, 2, 5, 6);
        assertThat(begun.get(1)).containsExactly(1, 2, 7, 8);
        assertThatThrownBy(() -> Leading.before(List.of(new int[] {5, 6, 7}), new int[] {1, 2}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("--tokens: got 3, want more than the 2 that windows begin with, and 1");
    }

    @Test
    void aTokenizerWithoutABeginningIsRefusedWithWhatToSay() {
        assertThatThrownBy(
                        () -> QuantizationRun.run(settings("out", "rtn", new Leading(null, true)), new Runs.Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "--intact-kv: got a tokenizer that puts no token before a text, want --leading-tokens with what texts"
                                + " begin with, such as \"<|im_start|>\" where chats do");
        assertThatThrownBy(() -> QuantizationRun.run(settings("out", "rtn", new Leading("", true)), new Runs.Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("--leading-tokens: got no tokens, want those that texts begin with");
    }

    @Test
    void whatCannotTakeThemAlongIsRefused() throws IOException {
        Path out = QuantizationRun.run(settings("out", "rtn", new Leading("a", true)), new Runs.Silent())
                .folder();
        RunSettings again = settings("again", "rtn", Leading.NONE);
        RunSettings ofIt = new RunSettings(
                out,
                again.out(),
                again.method(),
                again.kept(),
                null,
                0,
                Target.NONE,
                again.calibration(),
                again.machine(),
                1,
                false);
        assertThatThrownBy(() -> QuantizationRun.run(ofIt, new Runs.Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(out + ": got a model that keeps the original's keys and values for a text's first tokens"
                        + " (--intact-kv), which quantize cannot take along: want the original");
        assertThatThrownBy(() -> WholeRun.run(
                        settings("tuned", "rtn", new Leading("a", true)), WholeRun.Tune.weights(8), new Runs.Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "--tune: got --leading-tokens or --intact-kv, with which only blocks are trained: want --tune 0");
    }
}
