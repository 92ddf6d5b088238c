package dev.salient.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

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
import dev.salient.method.Tuning;
import dev.salient.model.Family;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.Linear;
import dev.salient.model.ModelWeights;
import dev.salient.model.PackedLanguageModel;
import dev.salient.packed.GroupAffine;
import dev.salient.pipeline.Runs.Silent;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchDevice.Precision;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every family through libtorch, rounding, block-wise training and tuning. */
class FamilyRunTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final Grid SIGNED2 = new Grid.Signed2(64);
    private static final int TOKENS = 24;

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {"llama3", "llama-bias", "mistral", "qwen2", "qwen2-window", "qwen3", "phi3", "gemma2", "gemma3"})
    void libtorchAndThePackedRuntimeAgreeOnLogits(String family) throws IOException {
        TinyFamily.write(folder.resolve("model"), family);
        try (Checkpoint checkpoint = Checkpoints.open(folder.resolve("model"))) {
            assertBothAgree(checkpoint.weights());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "llama-bias, LLAMA",
        "mistral, MISTRAL",
        "qwen2, QWEN2",
        "qwen2-window, QWEN2",
        "qwen3, QWEN3",
        "phi3, MISTRAL",
        "gemma2, GEMMA2",
        "gemma3, GEMMA3"
    })
    void roundedModelIsWrittenWithAllThatItsFamilyHas(String family, Family want) throws IOException {
        TinyFamily.write(folder.resolve("model"), family);
        QuantizationRun.run(settings(new Method.Rtn(SIGNED2, Start.SQUARED_ERROR)), new Silent());
        try (Checkpoint original = Checkpoints.open(folder.resolve("model"));
                Checkpoint rounded = Checkpoints.open(folder.resolve("out"))) {
            assertThat(rounded.weights().config()).isEqualTo(original.weights().config());
            assertThat(rounded.weights().config().family()).isEqualTo(want);
            for (int b = 0; b < original.weights().blocks().size(); b++) {
                var block = rounded.weights().blocks().get(b);
                assertThat(block.linear(Linear.DOWN)).isInstanceOf(GroupAffine.class);
                original.weights()
                        .blocks()
                        .get(b)
                        .norms()
                        .forEach((norm, gain) ->
                                assertThat(block.norm(norm).toFloats()).isEqualTo(gain.toFloats()));
            }
            assertBothAgree(rounded.weights());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"qwen2", "gemma3"})
    void blockwiseTrainingFitsTheOutputsBetter(String family) throws IOException {
        TinyFamily.write(folder.resolve("model"), family);
        Stage stage = new Stage(Stage.Objective.MIXED, Terms.NONE, 4, 5e-4, 5e-3, 1e-3, 0.1, false);
        Preservation preservation = new Preservation(
                Preservation.Saliency.FISHER, Preservation.Place.BEFORE_ADAPTER, 0.1, Preservation.Scale.RELATIVE, 1);
        QuantizationRun.run(
                settings(new Method.PartialRetraining(
                        SIGNED2,
                        Start.SQUARED_ERROR,
                        new Adapters(Adapters.Kind.LORA, 4, 16, Adapters.Start.ZERO),
                        Method.Scope.BLOCK,
                        TokenWeighting.RELATIVE,
                        preservation,
                        List.of(stage),
                        HeldOut.NONE)),
                new Silent());
        var run = new com.fasterxml.jackson.databind.ObjectMapper()
                .readTree(folder.resolve("out").resolve("salient-run.json").toFile());
        var losses = run.findValue("blocks").path(0).findValues("outputLoss");
        assertThat(losses.getLast().asDouble()).isLessThan(losses.getFirst().asDouble());
        try (Checkpoint trained = Checkpoints.open(folder.resolve("out"))) {
            assertBothAgree(trained.weights());
        }
    }

    @Test
    void tuningEndToEndMovesEveryNormOfGemma() throws IOException {
        TinyFamily.write(folder.resolve("model"), "gemma2");
        QuantizationRun.run(settings(new Method.Rtn(SIGNED2, Start.SQUARED_ERROR)), new Silent());
        Tuning tuning = new Tuning(
                Tuning.Moves.SCALES,
                4,
                3,
                3e-3,
                1e-2,
                1e-3,
                1e-2,
                0,
                new Tuning.CodeSteps(0.5, 0.01, 0.2, 0.5),
                Tuning.Pull.NONE);
        TuneRun.Outcome outcome = TuneRun.run(
                new TuneRun.Settings(
                        folder.resolve("out"),
                        folder.resolve("model"),
                        folder.resolve("tuned"),
                        tuning,
                        calibration(),
                        machine(),
                        5,
                        false),
                new Silent());
        assertThat(outcome.best().heldOut())
                .isLessThan(outcome.curve().getFirst().heldOut());
        try (Checkpoint before = Checkpoints.open(folder.resolve("out"));
                Checkpoint after = Checkpoints.open(folder.resolve("tuned"))) {
            var was = before.weights().blocks().getFirst();
            var is = after.weights().blocks().getFirst();
            assertThat(is.norms()).hasSize(4);
            is.norms()
                    .forEach((norm, gain) -> assertThat(gain.toFloats())
                            .isNotEqualTo(was.norm(norm).toFloats()));
        }
    }

    private RunSettings settings(Method method) throws IOException {
        Random random = new Random(2);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 1500; i++) {
            text.append((char) ('a' + random.nextInt(26)));
        }
        Files.writeString(folder.resolve("text.txt"), text);
        return new RunSettings(
                folder.resolve("model"),
                folder.resolve("out"),
                method,
                Map.of(),
                null,
                0,
                Target.NONE,
                calibration(),
                machine(),
                1,
                false);
    }

    private RunSettings.Calibration calibration() {
        return new RunSettings.Calibration(List.of(folder.resolve("text.txt")), 12, TOKENS, 1);
    }

    private RunSettings.Machine machine() {
        return new RunSettings.Machine("cpu", Precision.HIGHEST, 1, 4L << 30, folder.resolve("cache"));
    }

    private static void assertBothAgree(ModelWeights weights) {
        int[] ids = new Random(1).ints(TOKENS, 0, 256).toArray();
        try (PackedLanguageModel packed = new PackedLanguageModel(weights, 1);
                KvCache cache = packed.newCache(TOKENS);
                TorchScope scope = new TorchScope()) {
            List<TorchLanguageModel.Block> blocks = new ArrayList<>();
            for (int b = 0; b < weights.blocks().size(); b++) {
                blocks.add(TorchLanguageModel.loadExactBlock(
                        weights.config(), b, weights.blocks().get(b), CPU));
            }
            TorchLanguageModel model = new TorchLanguageModel(
                    weights.config(),
                    CPU.exactValues(weights.embedding()),
                    blocks,
                    CPU.values(weights.finalNorm()),
                    CPU.exactValues(weights.head()));
            Rope rope = Rope.of(model.config(), TOKENS, CPU);
            float[] want = TorchDevice.toFloats(model.logits(CPU.longs(ids, 1, TOKENS), rope));
            packed.forward(ids, cache, (position, row) -> {
                for (int v = 0; v < row.length; v++) {
                    assertThat(row[v]).isCloseTo(want[position * row.length + v], within(1e-4f));
                }
            });
        }
    }
}
