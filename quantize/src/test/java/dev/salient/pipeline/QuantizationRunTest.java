package dev.salient.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.gguf.GgufExport;
import dev.salient.format.gguf.GgufType;
import dev.salient.format.gguf.TwoBits;
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
import dev.salient.model.BlockWeights;
import dev.salient.model.LanguageModel;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelWeights;
import dev.salient.model.PackedLanguageModel;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.GroupFormat;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaleMixture;
import dev.salient.packed.ScaledGroups;
import dev.salient.pipeline.Runs.Silent;
import dev.salient.pipeline.Runs.Stopped;
import dev.salient.pipeline.Runs.Stopping;
import dev.salient.quantizer.PartialRetrainer;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchDevice.Precision;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole runs on a model of two blocks. */
class QuantizationRunTest {
    @TempDir
    Path folder;

    private static final Grid SIGNED2 = new Grid.Signed2(64);

    private static Method sapr(int epochs) {
        return sapr(epochs, 0);
    }

    private static Method sapr(int epochs, double weightRate) {
        return sapr(epochs, weightRate, Preservation.Saliency.FISHER);
    }

    private static Method sapr(int epochs, double weightRate, Preservation.Saliency saliency) {
        Stage stage = new Stage(Stage.Objective.MIXED, Terms.NONE, epochs, 5e-4, 5e-3, weightRate, 0.1, false);
        Preservation preservation =
                new Preservation(saliency, Preservation.Place.BEFORE_ADAPTER, 0.1, Preservation.Scale.RELATIVE, 1);
        return new Method.PartialRetraining(
                SIGNED2,
                Start.SQUARED_ERROR,
                new Adapters(Adapters.Kind.LORA, 4, 16, Adapters.Start.ZERO),
                Method.Scope.BLOCK,
                TokenWeighting.RELATIVE,
                preservation,
                List.of(stage),
                HeldOut.NONE);
    }

    private RunSettings settings(String out, Method method, boolean resume) throws IOException {
        Path model = folder.resolve("model");
        if (!Files.exists(model)) {
            TinyLlama.write(model, 7);
            Files.writeString(folder.resolve("text.txt"), "The quick brown fox. ".repeat(60));
        }
        return new RunSettings(
                model,
                folder.resolve(out),
                method,
                method instanceof Method.Aqlm ? Map.of() : Map.of(new LinearId(1, Linear.UP), new Grid.Signed(8, 64)),
                null,
                0,
                Target.NONE,
                new RunSettings.Calibration(List.of(folder.resolve("text.txt")), 3, 24, 2),
                new RunSettings.Machine("cpu", Precision.HIGHEST, 1, 4L << 30, folder.resolve("cache")),
                11,
                resume);
    }

    @Test
    void writesAFolderWhoseWeightsAreInTheGridsAskedFor() throws IOException {
        QuantizationRun.run(settings("out", sapr(2), false), new Silent());
        try (Checkpoint written = Checkpoints.open(folder.resolve("out"))) {
            assertThat(written.weights().blocks()).hasSize(2);
            assertThat(written.weights().blocks().get(0).linear(Linear.DOWN))
                    .isInstanceOfSatisfying(LowRank.class, w -> {
                        assertThat(w.rank()).isEqualTo(4);
                        assertThat(w.base())
                                .isInstanceOfSatisfying(
                                        GroupAffine.class,
                                        base -> assertThat(base.bits()).isEqualTo(2));
                    });
            assertThat(written.weights().blocks().get(1).linear(Linear.UP))
                    .isInstanceOfSatisfying(
                            GroupAffine.class, w -> assertThat(w.bits()).isEqualTo(8));
        }
        assertThat(folder.resolve("out").resolve("salient-run.json")).content().contains("\"outputLoss\"");
        assertThat(folder.resolve("out").resolve(".salient")).doesNotExist();
    }

    /** Signed grids of 4 and 8 bits are GGUF's own: llama.cpp gets their very values, without a byte more than they need. */
    @Test
    void signedGridsAreGgufs() throws IOException {
        Method rounded = new Method.Rtn(new Grid.Signed(4, 32), Start.SQUARED_ERROR);
        QuantizationRun.run(settings("out", rounded, false), new Silent());
        Files.writeString(folder.resolve("out/tokenizer_config.json"), "{\"eos_token\": \"A\"}");
        Path file = folder.resolve("out.gguf");
        try (Checkpoint run = Checkpoints.open(folder.resolve("out"))) {
            GgufExport.of(run, GgufType.AS_STORED, TwoBits.KEPT).write(file, name -> {});
            try (Checkpoint written = Checkpoints.open(file)) {
                expectBlocks(written, run, new LinearId(1, Linear.UP), GroupFormat.Q8_0);
                expectBlocks(written, run, new LinearId(1, Linear.DOWN), GroupFormat.Q4_0);
            }
        }
    }

    private static void expectBlocks(Checkpoint written, Checkpoint run, LinearId id, GroupFormat format) {
        PackedWeight weight = written.weights().blocks().get(id.block()).linear(id.linear());
        PackedWeight same = run.weights().blocks().get(id.block()).linear(id.linear());
        assertThat(weight)
                .isInstanceOfSatisfying(
                        ScaledGroups.class,
                        blocks -> assertThat(blocks.format()).isEqualTo(format));
        float[] got = new float[weight.in()];
        float[] want = new float[weight.in()];
        for (int row = 0; row < weight.out(); row++) {
            weight.decodeRow(row, got, 0);
            same.decodeRow(row, want, 0);
            for (int i = 0; i < got.length; i++) {
                assertThat(got[i] - want[i]).as("[%d, %d]", row, i).isZero(); // 0 may be -0
            }
        }
    }

    /** Grids of two and three levels go through the folder's 2-bit codes and come back as what they are. */
    @Test
    void binaryAndTernaryRunsWriteTheirLevelsAndCountTheirBits() throws IOException {
        Map<Grid, GroupAffine.Levels> grids = Map.of(
                new Grid.Binary(32), GroupAffine.Levels.SIGNS,
                new Grid.Ternary(64), GroupAffine.Levels.TERNARY);
        for (Map.Entry<Grid, GroupAffine.Levels> entry : grids.entrySet()) {
            Grid grid = entry.getKey();
            String out = grid.getClass().getSimpleName();
            QuantizationRun.run(
                    settings(out, new Method.Gptq(grid, Start.SQUARED_ERROR, 0.01, true), false), new Silent());
            try (Checkpoint written = Checkpoints.open(folder.resolve(out))) {
                assertThat(written.weights().blocks().get(0).linear(Linear.GATE))
                        .isInstanceOfSatisfying(GroupAffine.class, w -> {
                            assertThat(w.levels()).isEqualTo(entry.getValue());
                            assertThat(w.bitsPerWeight()).isCloseTo(grid.bitsPerWeight(w.out(), w.in()), within(1e-3));
                        });
            }
        }
    }

    /** The second half of a block starts anew; a stopped run goes on alike. */
    @Test
    void gsqFitsTheOutputsAndGoesOnAlikeWhereItWasStopped() throws IOException {
        Method gsq = new Method.Gsq(SIGNED2, Start.SQUARED_ERROR, TokenWeighting.PLAIN, 6, 2e-3, 2e-3);
        QuantizationRun.run(settings("whole", gsq, false), new Silent());
        List<Double> losses = outputLosses("whole");
        assertThat(losses).hasSize(2 * 6);
        assertThat(losses.get(5)).isLessThan(losses.get(0));
        assertThat(losses.get(11)).isLessThan(losses.get(6));
        assertThatThrownBy(() -> QuantizationRun.run(settings("stopped", gsq, false), new Stopping("quantize", 40)))
                .isInstanceOf(Stopped.class);
        QuantizationRun.run(settings("stopped", gsq, true), new Silent());
        assertThat(files("stopped")).isEqualTo(files("whole"));
    }

    /** Two scalars a group fit no packed form: plain numbers, of which a group has four at most. */
    @Test
    void dualBinarizationIsTrainedAndWrittenAsPlainNumbers() throws IOException {
        Stage stage = new Stage(Stage.Objective.OUTPUT, Terms.NONE, 4, 5e-3, 1e-2, 1e-3, 0, true);
        Preservation none = new Preservation(
                Preservation.Saliency.UNIFORM, Preservation.Place.BEFORE_ADAPTER, 0, Preservation.Scale.RELATIVE, 1);
        Method method = new Method.PartialRetraining(
                new Grid.DualBinary(64),
                Start.SQUARED_ERROR,
                new Adapters(Adapters.Kind.LORA, 4, 16, Adapters.Start.LQER),
                Method.Scope.BLOCK,
                TokenWeighting.PLAIN,
                none,
                List.of(stage),
                new HeldOut(0, 0));
        QuantizationRun.run(settings("out", method, false), new Silent());
        List<Double> losses = outputLosses("out");
        assertThat(losses.getLast()).isLessThan(losses.getFirst());
        try (Checkpoint written = Checkpoints.open(folder.resolve("out"))) {
            LowRank adapted = (LowRank) written.weights().blocks().get(0).linear(Linear.GATE);
            PackedWeight weight = adapted.base();
            assertThat(weight).isInstanceOf(Dense.class);
            float[] row = new float[weight.in()];
            weight.decodeRow(0, row, 0);
            java.util.Set<Float> seen = new java.util.HashSet<>();
            for (int i = 0; i < 64; i++) {
                seen.add(row[i]);
            }
            assertThat(seen.size()).isBetween(2, 4);
        }
    }

    private static Method.PartialRetraining binaryMos(Method.Scope scope, double lambda, Adapters.Kind kind) {
        Stage stage = new Stage(Stage.Objective.MIXED, Terms.NONE, 4, 5e-3, 1e-2, 1e-3, 0.1, true);
        Preservation preservation = new Preservation(
                Preservation.Saliency.FISHER,
                Preservation.Place.BEFORE_ADAPTER,
                lambda,
                Preservation.Scale.RELATIVE,
                1);
        return new Method.PartialRetraining(
                new Grid.BinaryMos(3),
                Start.SQUARED_ERROR,
                new Adapters(kind, 4, 16, Adapters.Start.LQER),
                scope,
                TokenWeighting.RELATIVE,
                preservation,
                List.of(stage),
                new HeldOut(1, 0));
    }

    /** Signs whose scales follow the token are trained, stored, counted and read again, and libtorch and the runtime agree on them. */
    @ParameterizedTest
    @CsvSource({"BLOCK, 0", "LINEARS, 0", "BLOCK, 0.1"})
    void scalesThatFollowTheTokenAreTrained(Method.Scope scope, double lambda) throws IOException {
        Method method = binaryMos(scope, lambda, Adapters.Kind.LORA);
        double bits = QuantizationRun.run(settings("whole", method, false), new Silent())
                .bitsPerWeight();
        List<Double> losses = outputLosses("whole");
        assertThat(losses.get(3)).isLessThan(losses.get(0));
        try (Checkpoint written = Checkpoints.open(folder.resolve("whole"))) {
            assertThat(Checkpoints.describe(written).bitsPerWeight()).isCloseTo(bits, within(1e-9));
            LowRank gate = (LowRank) written.weights().blocks().get(0).linear(Linear.GATE);
            assertThat(gate.base())
                    .isInstanceOfSatisfying(
                            ScaleMixture.class, w -> assertThat(w.experts()).isEqualTo(3));
            int[] ids = new java.util.Random(1).ints(40, 0, 256).toArray();
            try (PackedLanguageModel packed = new PackedLanguageModel(written.weights(), 1);
                    LanguageModel.KvCache cache = packed.newCache(ids.length);
                    TorchScope here = new TorchScope()) {
                TorchDevice cpu = TorchDevice.of("cpu");
                TorchLanguageModel torch = exact(written.weights(), cpu);
                Rope rope = Rope.of(torch.config(), ids.length, cpu);
                float[] want = TorchDevice.toFloats(torch.logits(cpu.longs(ids, 1, ids.length), rope));
                packed.forward(ids, cache, (position, row) -> {
                    for (int v = 0; v < row.length; v++) {
                        assertThat(row[v]).isCloseTo(want[position * row.length + v], within(1e-4f));
                    }
                });
            }
        }
        int inSecondBlock = PartialRetrainer.stepsPerBlock((Method.PartialRetraining) method, 3) + 2;
        assertThatThrownBy(() -> QuantizationRun.run(
                        settings("stopped", method, false), new Stopping("quantize", inSecondBlock)))
                .isInstanceOf(Stopped.class);
        QuantizationRun.run(settings("stopped", method, true), new Silent());
        assertThat(files("stopped")).isEqualTo(files("whole"));
    }

    /** The model in libtorch, its weights as they are stored. */
    private static TorchLanguageModel exact(ModelWeights weights, TorchDevice device) {
        TorchLanguageModel ends = TorchLanguageModel.loadEnds(weights, device);
        List<TorchLanguageModel.Block> blocks = new java.util.ArrayList<>();
        for (int b = 0; b < weights.blocks().size(); b++) {
            blocks.add(TorchLanguageModel.loadExactBlock(
                    weights.config(), b, weights.blocks().get(b), device));
        }
        return new TorchLanguageModel(weights.config(), ends.embedding(), blocks, ends.finalNorm(), ends.head());
    }

    /** What is made of such a model must be of its original; and what has no meaning beside them is said at once. */
    @Test
    void scalesThatFollowTheTokenAreNoWeightsToGoOnFrom() throws IOException {
        QuantizationRun.run(settings("mos", binaryMos(Method.Scope.BLOCK, 0, Adapters.Kind.LORA), false), new Silent());
        RunSettings plain = settings("again", new Method.Rtn(SIGNED2, Start.RANGE), false);
        RunSettings again = new RunSettings(
                folder.resolve("mos"),
                plain.out(),
                plain.method(),
                plain.kept(),
                null,
                0,
                Target.NONE,
                plain.calibration(),
                plain.machine(),
                1,
                false);
        assertThatThrownBy(() -> QuantizationRun.run(again, new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "0.q: got scales that follow the token (binary-mos), want a model to quantize or train from:"
                                + " its original");
        TuneRun.Settings tuning = new TuneRun.Settings(
                folder.resolve("mos"),
                folder.resolve("model"),
                folder.resolve("tuned"),
                Tuning.weights(2),
                plain.calibration(),
                plain.machine(),
                1,
                false);
        assertThatThrownBy(() -> TuneRun.run(tuning, new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "0.q: got scales that follow the token (binary-mos), which tune does not train: want a model"
                                + " of --grid signed2, binary or another with codes");
        assertThat(folder.resolve("tuned")).doesNotExist();
        assertThatThrownBy(() -> WholeRun.run(
                        settings("both", binaryMos(Method.Scope.BLOCK, 0, Adapters.Kind.LORA), false),
                        WholeRun.Tune.weights(4),
                        new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("--grid binary-mos: got --tune, which trains codes: want --tune 0");
        assertThatThrownBy(() -> binaryMos(Method.Scope.BLOCK, 0, Adapters.Kind.DORA))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "--grid binary-mos: got --adapter dora, want lora: rows whose scales follow the token have no"
                                + " one length");
    }

    @Test
    void gptqWritesItsGridsAndGoesOnAlikeWhereItWasStopped() throws IOException {
        Method gptq = new Method.Gptq(SIGNED2, Start.SQUARED_ERROR, 0.01, true);
        QuantizationRun.run(settings("whole", gptq, false), new Silent());
        try (Checkpoint written = Checkpoints.open(folder.resolve("whole"))) {
            assertThat(written.weights().blocks().get(0).linear(Linear.DOWN))
                    .isInstanceOfSatisfying(
                            GroupAffine.class, w -> assertThat(w.bits()).isEqualTo(2));
            assertThat(written.weights().blocks().get(1).linear(Linear.UP))
                    .isInstanceOfSatisfying(
                            GroupAffine.class, w -> assertThat(w.bits()).isEqualTo(8));
        }
        assertThatThrownBy(() -> QuantizationRun.run(settings("stopped", gptq, false), new Stopping("quantize", 1)))
                .isInstanceOf(Stopped.class);
        QuantizationRun.run(settings("stopped", gptq, true), new Silent());
        assertThat(files("stopped")).isEqualTo(files("whole"));
    }

    @Test
    void aqlmWritesCodebooksAndGoesOnAlikeWhereItWasStopped() throws IOException {
        Method aqlm = new Method.Aqlm(new Grid.Codebooks(2, 5, 8), 2, TokenWeighting.RELATIVE, 3, 1e-3);
        double bits = QuantizationRun.run(settings("whole", aqlm, false), new Silent())
                .bitsPerWeight();
        try (Checkpoint written = Checkpoints.open(folder.resolve("whole"))) {
            for (BlockWeights block : written.weights().blocks()) {
                assertThat(block.linear(Linear.DOWN)).isInstanceOfSatisfying(AdditiveCodebook.class, w -> {
                    assertThat(w.codebooks().shape()).hasToString("[2, 32, 8]");
                    assertThat(w.groupsPerRow()).isEqualTo(16);
                });
            }
            assertThat(Checkpoints.describe(written).bitsPerWeight()).isCloseTo(bits, within(1e-9));
        }
        JsonNode run = new ObjectMapper()
                .readTree(folder.resolve("whole").resolve("salient-run.json").toFile());
        List<JsonNode> losses = run.findValue("blocks").path(0).findValues("outputLoss");
        assertThat(losses.getLast().asDouble()).isLessThan(losses.getFirst().asDouble());
        assertThatThrownBy(() -> QuantizationRun.run(settings("stopped", aqlm, false), new Stopping("quantize", 18)))
                .isInstanceOf(Stopped.class);
        QuantizationRun.run(settings("stopped", aqlm, true), new Silent());
        assertThat(files("stopped")).isEqualTo(files("whole"));
    }

    /** One size of codebooks is all that the folder's format has. */
    @Test
    void codebooksAndGridsDoNotGoTogether() {
        Method aqlm = new Method.Aqlm(new Grid.Codebooks(2, 4, 8), 1, TokenWeighting.RELATIVE, 3, 1e-3);
        assertThatThrownBy(() -> settings("out", new Method.Rtn(SIGNED2, Start.RANGE), false)
                        .with(aqlm))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("aqlm: got linears to keep in more bits, or bits to spend on some (--keep, --keep-budget,"
                        + " --target-bpw), want neither: AQLM's format has codebooks of one size for all linears");
    }

    /** With the weights free to move too, a block comes nearer to its outputs; a stopped run goes on alike. */
    @Test
    void trainedWeightsFitTheOutputsBetter() throws IOException {
        QuantizationRun.run(settings("frozen", sapr(4), false), new Silent());
        QuantizationRun.run(settings("free", sapr(4, 1e-3), false), new Silent());
        assertThat(lastOutputLoss("free")).isLessThan(lastOutputLoss("frozen"));
        assertThatThrownBy(() ->
                        QuantizationRun.run(settings("stopped", sapr(4, 1e-3), false), new Stopping("quantize", 15)))
                .isInstanceOf(Stopped.class);
        QuantizationRun.run(settings("stopped", sapr(4, 1e-3), true), new Silent());
        assertThat(files("stopped")).isEqualTo(files("free"));
    }

    /** Windows are held out of the text's end; a stopped run goes on alike; a text too short for them is refused. */
    @ParameterizedTest
    @EnumSource(Method.Scope.class)
    void heldOutWindowsChooseTheEpoch(Method.Scope scope) throws IOException {
        Method.PartialRetraining method = heldOut(scope, 2);
        int inSecondBlock = PartialRetrainer.stepsPerBlock(method, 3) + 2;
        QuantizationRun.run(settings("whole", method, false), new Silent());
        JsonNode run = new ObjectMapper()
                .readTree(folder.resolve("whole").resolve("salient-run.json").toFile());
        assertThat(run.findValue("blocks").path(0).findValues("heldOut"))
                .hasSize(3)
                .allSatisfy(loss -> assertThat(loss.asDouble()).isPositive());
        assertThatThrownBy(() -> QuantizationRun.run(
                        settings("stopped", method, false), new Stopping("quantize", inSecondBlock)))
                .isInstanceOf(Stopped.class);
        QuantizationRun.run(settings("stopped", method, true), new Silent());
        assertThat(files("stopped")).isEqualTo(files("whole"));
        assertThatThrownBy(() -> QuantizationRun.run(settings("long", heldOut(scope, 52), false), new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("--held-out: got 52 windows of 24 tokens, want a text that leaves more than one beside"
                        + " them, not one of 1260 tokens");
    }

    private static Method.PartialRetraining heldOut(Method.Scope scope, int windows) {
        Stage stage = new Stage(Stage.Objective.OUTPUT, Terms.NONE, 3, 5e-3, 5e-2, 0, 0.1, false);
        Preservation none = new Preservation(
                Preservation.Saliency.FISHER, Preservation.Place.BEFORE_ADAPTER, 0, Preservation.Scale.RELATIVE, 1);
        return new Method.PartialRetraining(
                SIGNED2,
                Start.SQUARED_ERROR,
                new Adapters(Adapters.Kind.LORA, 4, 16, Adapters.Start.LQER),
                scope,
                TokenWeighting.RELATIVE,
                none,
                List.of(stage),
                new HeldOut(windows, 0));
    }

    /** DoRA's lengths are trained, stored, counted and read again; bits are those that the folder has. */
    @Test
    void doraWritesTheLengthsOfRows() throws IOException {
        Stage stage = new Stage(Stage.Objective.OUTPUT, Terms.NONE, 3, 5e-3, 5e-2, 0, 0.1, false);
        Preservation none = new Preservation(
                Preservation.Saliency.FISHER, Preservation.Place.BEFORE_ADAPTER, 0, Preservation.Scale.RELATIVE, 1);
        Method dora = new Method.PartialRetraining(
                SIGNED2,
                Start.SQUARED_ERROR,
                new Adapters(Adapters.Kind.DORA, 4, 16, Adapters.Start.ZERO),
                Method.Scope.BLOCK,
                TokenWeighting.RELATIVE,
                none,
                List.of(stage),
                HeldOut.NONE);
        double bits =
                QuantizationRun.run(settings("dora", dora, false), new Silent()).bitsPerWeight();
        try (Checkpoint written = Checkpoints.open(folder.resolve("dora"))) {
            assertThat(Checkpoints.describe(written).bitsPerWeight()).isCloseTo(bits, within(1e-9));
            assertThat(written.weights().blocks().get(0).linear(Linear.K))
                    .isInstanceOfSatisfying(
                            LowRank.class, w -> assertThat(w.magnitude()).isNotNull());
        }
        JsonNode run = new ObjectMapper()
                .readTree(folder.resolve("dora").resolve("salient-run.json").toFile());
        List<JsonNode> losses = run.findValue("blocks").path(0).findValues("outputLoss");
        assertThat(losses.getLast().asDouble()).isLessThan(losses.getFirst().asDouble());
    }

    /** Ranks of their own are trained, stored, counted and read again, within the budget and not all alike; linears that are kept have none. */
    @Test
    void ranksAreBoughtWithinTheBudget() throws IOException {
        Method.PartialRetraining base = heldOut(Method.Scope.BLOCK, 0);
        Method method = new Method.PartialRetraining(
                base.grid(),
                base.start(),
                new Adapters(Adapters.Kind.LORA, 4, 16, Adapters.Start.LQER, 1.0),
                base.scope(),
                base.weighting(),
                base.preservation(),
                base.stages(),
                base.heldOut());
        double bits = QuantizationRun.run(settings("ranks", method, false), new Silent())
                .bitsPerWeight();
        java.util.Set<Integer> ranks = new java.util.TreeSet<>();
        double spent = 0;
        try (Checkpoint written = Checkpoints.open(folder.resolve("ranks"))) {
            assertThat(Checkpoints.describe(written).bitsPerWeight()).isCloseTo(bits, within(1e-9));
            for (BlockWeights block : written.weights().blocks()) {
                for (Linear linear : Linear.values()) {
                    int rank = 0;
                    if (block.linear(linear) instanceof LowRank adapted) {
                        rank = adapted.rank();
                        assertThat(adapted.scaling()).isEqualTo(4);
                        spent += 16.0 * rank * (adapted.out() + adapted.in());
                    }
                    ranks.add(rank);
                }
            }
            assertThat(written.weights().blocks().get(1).linear(Linear.UP)).isInstanceOf(GroupAffine.class);
            double budget = written.weights().config().linearWeightCount();
            assertThat(spent).isBetween(0.9 * budget, budget);
        }
        assertThat(ranks).hasSizeGreaterThan(2);
        assertThatThrownBy(() -> new Adapters(Adapters.Kind.LORA, 0, 16, Adapters.Start.ZERO, 1))
                .hasMessage("--rank-budget: got no adapters, want --method apiq, apiq-lw or sapr");
    }

    /** Of the first block, whose inputs are the same in all runs. */
    private double lastOutputLoss(String out) throws IOException {
        return outputLosses(out).getLast();
    }

    private List<Double> outputLosses(String out) throws IOException {
        JsonNode run = new ObjectMapper()
                .readTree(folder.resolve(out).resolve("salient-run.json").toFile());
        JsonNode epochs = run.findValue("blocks").path(0);
        return epochs.findValues("outputLoss").stream().map(JsonNode::asDouble).toList();
    }

    /** The same windows' energies, measured or from a file, make the same model; another text's make another one. */
    @Test
    void energiesOfInputsMayComeFromAFile() throws IOException {
        Method method = sapr(2, 0, Preservation.Saliency.ACTIVATION);
        RunSettings measured = settings("measured", method, false);
        QuantizationRun.run(measured, new Silent());
        Path file = folder.resolve("i.gguf");
        RunSettings.Calibration same =
                new RunSettings.Calibration(measured.calibration().files(), 3, 24, 3);
        SaliencyRun.run(
                new SaliencyRun.Settings(measured.model(), same, measured.machine(), measured.seed(), file),
                new Silent());
        QuantizationRun.run(withImatrix(settings("read", method, false), file), new Silent());
        Map<String, String> want = files("measured");
        Map<String, String> got = files("read");
        List.of("salient-run.json", "report.json").forEach(name -> {
            want.remove(name);
            got.remove(name);
        });
        assertThat(got).isEqualTo(want);
    }

    private static RunSettings withImatrix(RunSettings settings, Path imatrix) {
        return new RunSettings(
                settings.model(),
                settings.out(),
                settings.method(),
                settings.kept(),
                imatrix,
                settings.budget(),
                settings.target(),
                settings.calibration(),
                settings.machine(),
                settings.seed(),
                settings.resume());
    }

    /** What is left of the bits buys richer grids, and no more than there is; the linear that is kept stays so. */
    @ParameterizedTest
    @EnumSource
    void aTargetIsSpentAndNotExceeded(Target.Sensitivity sensitivity) throws IOException {
        RunSettings plain = settings("target", new Method.Rtn(SIGNED2, Start.SQUARED_ERROR), false);
        double bits = QuantizationRun.run(with(plain, new Target(4, sensitivity)), new Silent())
                .bitsPerWeight();
        // the cheapest move, k or v of 32 x 64 from 2.25 to 4.25 bits, no longer fits in what is left
        assertThat(bits).isBetween(4 - (4.25 - 2.25) * 32 * 64 / 73_728, 4.0);
        try (Checkpoint written = Checkpoints.open(folder.resolve("target"))) {
            assertThat(Checkpoints.describe(written).bitsPerWeight()).isCloseTo(bits, within(1e-9));
        }
    }

    private static RunSettings with(RunSettings plain, Target target) {
        return new RunSettings(
                plain.model(),
                plain.out(),
                plain.method(),
                plain.kept(),
                null,
                0,
                target,
                plain.calibration(),
                plain.machine(),
                plain.seed(),
                false);
    }

    /** Where the budget buys grids of their own for all linears, nothing is left to train. */
    @Test
    void aBudgetForAllLinearsLeavesNothingToTrain() throws IOException {
        Method.Gsq gsq = new Method.Gsq(SIGNED2, Start.SQUARED_ERROR, TokenWeighting.PLAIN, 1, 1e-3, 1e-3);
        for (Method method : List.of(sapr(1), gsq)) {
            RunSettings settings = settings(method.getClass().getSimpleName(), method, false);
            assertThat(QuantizationRun.run(with(settings, new Target(8.3, Target.Sensitivity.FISHER)), new Silent())
                            .bitsPerWeight())
                    .isGreaterThan(8.2);
        }
    }

    /** Each rule makes a model of its own. */
    @Test
    void everySaliencyTrains() throws IOException {
        java.util.Set<String> models = new java.util.HashSet<>();
        for (Preservation.Saliency saliency : Preservation.Saliency.values()) {
            QuantizationRun.run(settings(saliency.name(), sapr(2, 0, saliency), false), new Silent());
            models.add(files(saliency.name()).get("model-00001-of-00003.safetensors"));
        }
        assertThat(models).hasSize(Preservation.Saliency.values().length).doesNotContainNull();
    }

    @ParameterizedTest(name = "stopped after {0} steps")
    @ValueSource(ints = {2, 5, 7, 11})
    void resumedRunEqualsUninterruptedRun(int steps) throws IOException {
        QuantizationRun.run(settings("whole", sapr(2), false), new Silent());
        assertThatThrownBy(
                        () -> QuantizationRun.run(settings("stopped", sapr(2), false), new Stopping("quantize", steps)))
                .isInstanceOf(Stopped.class);
        QuantizationRun.run(settings("stopped", sapr(2), true), new Silent());
        assertThat(files("stopped")).isEqualTo(files("whole"));
    }

    private Map<String, String> files(String name) throws IOException {
        return Runs.files(folder.resolve(name));
    }

    @Test
    void resumeRefusesOtherSettingsAndNamesTheField() throws IOException {
        assertThatThrownBy(() -> QuantizationRun.run(settings("out", sapr(2), false), new Stopping("quantize", 7)))
                .isInstanceOf(Stopped.class);
        Path out = folder.resolve("out");
        assertThatThrownBy(() -> QuantizationRun.run(settings("out", sapr(2), false), new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(out + ": got a run that was not finished: --resume goes on with it, or delete the folder");
        Method other = new Method.Rtn(SIGNED2, Start.SQUARED_ERROR);
        assertThatThrownBy(() -> QuantizationRun.run(settings("out", other, true), new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        out + ": cannot resume: method.name: got \"rtn\", want \"sapr\" as before; ask for the same,"
                                + " or choose another --out");
    }

    @Test
    void aRunThatFinishedNoBlockLeavesNothingBehind() {
        assertThatThrownBy(() -> QuantizationRun.run(settings("out", sapr(2), false), new Stopping("quantize", 2)))
                .isInstanceOf(Stopped.class);
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void aFinishedFolderIsNotOverwritten() throws IOException {
        Method rtn = new Method.Rtn(SIGNED2, Start.SQUARED_ERROR);
        QuantizationRun.run(settings("out", rtn, false), new Silent());
        assertThatThrownBy(() -> QuantizationRun.run(settings("out", rtn, false), new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(folder.resolve("out")
                        + ": got a folder that a run has finished, want a new one: choose another --out");
    }

    @Test
    void aSecondRunIntoTheSameFolderIsRefusedWhileOneIsGoingOn() throws IOException {
        Path out = folder.resolve("out");
        try (RunFolder held = RunFolder.open(out, false)) {
            assertThat(held).isNotNull();
            assertThatThrownBy(() -> RunFolder.open(out, true))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(out + ": another run is writing it: wait for that, or choose another --out");
        }
    }

    @Test
    void groupSizeThatDoesNotDivideIsRefusedBeforeAnythingIsWritten() throws IOException {
        Method wide = new Method.Rtn(new Grid.Affine(2, 256), Start.RANGE);
        assertThatThrownBy(() -> QuantizationRun.run(settings("out", wide, false), new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("group size: 256 does not divide rows of 64; sizes that do: [16, 32, 64]");
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void hiddenStatesOnDiskGiveTheSameModel() throws IOException {
        QuantizationRun.run(settings("memory", sapr(1), false), new Silent());
        RunSettings roomy = settings("disk", sapr(1), false);
        try (Checkpoint original = Checkpoints.open(roomy.model())) {
            long working = Plan.workingBytes(original.weights().config(), roomy.method(), 3, 24);
            RunSettings.Machine tight =
                    new RunSettings.Machine("cpu", Precision.HIGHEST, 1, working + 1, folder.resolve("cache"));
            QuantizationRun.run(
                    new RunSettings(
                            roomy.model(),
                            roomy.out(),
                            roomy.method(),
                            roomy.kept(),
                            null,
                            0,
                            Target.NONE,
                            roomy.calibration(),
                            tight,
                            roomy.seed(),
                            false),
                    new Silent());
        }
        assertThat(files("disk")).isEqualTo(files("memory"));
    }
}
