package dev.salient.quantizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.calibration.Activations;
import dev.salient.calibration.InputSums;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.method.Adapters;
import dev.salient.method.Grid;
import dev.salient.method.HeldOut;
import dev.salient.method.Method;
import dev.salient.method.Method.PartialRetraining;
import dev.salient.method.Method.Scope;
import dev.salient.method.Method.Start;
import dev.salient.method.Preservation;
import dev.salient.method.Preservation.Scale;
import dev.salient.method.Stage;
import dev.salient.method.Stage.Objective;
import dev.salient.method.Terms;
import dev.salient.method.TokenWeighting;
import dev.salient.model.Linear;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.pipeline.TinyLlama;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The training of one linear against the formulas in double, and what surrounds it. */
class PartialRetrainerTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int SAMPLES = 5;
    private static final int TOKENS = 6;
    private static final int HIDDEN = 64;
    private static final int VALUES = 32;
    private static final int SIZE = 32;
    private static final long SEED = 5;
    private static final Grid GRID = new Grid.Signed2(SIZE);
    private static final Stage MIXED = new Stage(Objective.MIXED, Terms.NONE, 3, 0.01, 0.05, 0, 0.1, false);

    @TempDir
    Path folder;

    private static PartialRetraining method(Scope scope, Preservation preservation, HeldOut heldOut, Stage stage) {
        return method(Adapters.Kind.LORA, scope, preservation, heldOut, stage);
    }

    private static PartialRetraining method(
            Adapters.Kind kind, Scope scope, Preservation preservation, HeldOut heldOut, Stage stage) {
        Adapters adapters = new Adapters(kind, 3, 6, Adapters.Start.ZERO);
        return new PartialRetraining(
                GRID, Start.RANGE, adapters, scope, TokenWeighting.RELATIVE, preservation, List.of(stage), heldOut);
    }

    private static Preservation preservation(double lambda, Scale scale) {
        return new Preservation(Preservation.Saliency.FISHER, Preservation.Place.BEFORE_ADAPTER, lambda, scale, 1);
    }

    /** A block of which all linears but v are kept, and what it is to be trained on. */
    private final class Problem implements AutoCloseable {
        final Checkpoint checkpoint;
        final TorchLanguageModel.Block block;
        final float[][] clean = states(1);
        final float[][] degraded = states(2);
        final float[] saliency = new float[VALUES * HIDDEN];
        private final Activations[] streams = new Activations[3];

        Problem() throws IOException {
            TinyLlama.write(folder.resolve("model"), 7);
            checkpoint = Checkpoints.open(folder.resolve("model"));
            block = TorchLanguageModel.loadBlock(checkpoint.weights(), 0, CPU);
            Random random = new Random(3);
            for (int i = 0; i < saliency.length; i++) {
                saliency[i] = 1e-3f * random.nextFloat();
            }
        }

        private float[][] states(long seed) {
            Random random = new Random(seed);
            float[][] states = new float[SAMPLES][TOKENS * HIDDEN];
            for (int s = 0; s < SAMPLES; s++) {
                for (int i = 0; i < states[s].length; i++) {
                    states[s][i] = (float) random.nextGaussian();
                }
            }
            return states;
        }

        BlockTask task() {
            for (int i = 0; i < 3; i++) {
                streams[i] = Activations.inMemory(new Activations.Size(SAMPLES, TOKENS, HIDDEN));
                for (int s = 0; s < SAMPLES; s++) {
                    streams[i].set(s, CPU.floats(i == 0 ? clean[s] : degraded[s], 1, TOKENS, HIDDEN));
                }
            }
            Map<Linear, Grid> kept = new EnumMap<>(Linear.class);
            for (Linear linear : Linear.values()) {
                kept.put(linear, new Grid.Signed(8, SIZE));
            }
            kept.remove(Linear.V);
            Map<Linear, Tensor> fisher = Map.of(Linear.V, CPU.floats(saliency, VALUES, HIDDEN));
            Rope rope = Rope.of(checkpoint.weights().config(), TOKENS, CPU);
            return new BlockTask(0, block, streams[0], streams[1], streams[2], kept, Map.of(), fisher, rope, CPU, SEED);
        }

        /** What v is fed, and what it should give: RMSNorm of gain 1, and the original weight. */
        double[][] inputs(float[] states) {
            double[][] inputs = new double[TOKENS][HIDDEN];
            for (int t = 0; t < TOKENS; t++) {
                double squares = 0;
                for (int i = 0; i < HIDDEN; i++) {
                    squares += Math.pow(states[t * HIDDEN + i], 2) / HIDDEN;
                }
                for (int i = 0; i < HIDDEN; i++) {
                    inputs[t][i] = states[t * HIDDEN + i] / Math.sqrt(squares + 1e-5);
                }
            }
            return inputs;
        }

        @Override
        public void close() throws IOException {
            for (Activations stream : streams) {
                stream.close();
            }
            checkpoint.close();
        }
    }

    private static double[][] rows(float[] values, int columns) {
        double[][] rows = new double[values.length / columns][columns];
        for (int i = 0; i < values.length; i++) {
            rows[i / columns][i % columns] = values[i];
        }
        return rows;
    }

    private static double[][] product(double[][] x, double[][] weight) {
        double[][] y = new double[x.length][weight.length];
        for (int t = 0; t < x.length; t++) {
            for (int o = 0; o < weight.length; o++) {
                for (int i = 0; i < x[t].length; i++) {
                    y[t][o] += x[t][i] * weight[o][i];
                }
            }
        }
        return y;
    }

    /** Twice each: the samples of an epoch with the preservation term on any scale, and the best epoch by two samples held out. */
    @ParameterizedTest
    @CsvSource({"LORA, ABSOLUTE", "LORA, NORMALIZED", "LORA, RELATIVE", "DORA, RELATIVE"})
    void aLinearIsTrainedAsTheFormulasSay(Adapters.Kind kind, Scale scale) throws IOException {
        double lambda = 0.3;
        try (TorchScope scope = new TorchScope();
                Problem problem = new Problem()) {
            PartialRetraining method =
                    method(kind, Scope.LINEARS, preservation(lambda, scale), new HeldOut(2, 0), MIXED);
            QuantizedBlock got = PartialRetrainer.quantize(problem.task(), method, step -> {});

            double[][] weight = rows(TorchDevice.toFloats(problem.block.weight(Linear.V)), HIDDEN);
            double[][] saliency = rows(problem.saliency, HIDDEN);
            NaiveTraining naive = new NaiveTraining(weight, SIZE, 3, 2, kind == Adapters.Kind.DORA, randomOf(Linear.V));
            double factor = lambda;
            double[][][] x = new double[SAMPLES][][];
            double[][][] y = new double[SAMPLES][][];
            for (int s = 0; s < SAMPLES; s++) {
                x[s] = problem.inputs(problem.degraded[s]);
                y[s] = product(problem.inputs(problem.clean[s]), weight);
            }
            if (scale == Scale.RELATIVE) {
                factor *= naive.loss(x[0], y[0], new double[VALUES][HIDDEN]) / naive.preservation(saliency);
            } else if (scale == Scale.NORMALIZED) {
                double mean = 0;
                for (float one : problem.saliency) {
                    mean += one / (double) problem.saliency.length;
                }
                factor /= mean;
            }
            double best = heldOut(naive, x, y);
            double[][][] kept = naive.snapshot();
            for (int epoch = 0; epoch < MIXED.epochs(); epoch++) {
                double output = 0;
                double preserved = 0;
                for (int s = 0; s < SAMPLES - 2; s++) {
                    double[][] gradient = new double[VALUES][HIDDEN];
                    output += naive.loss(x[s], y[s], gradient) / (SAMPLES - 2);
                    preserved += factor * naive.preservation(saliency) / (SAMPLES - 2);
                    naive.step(gradient, saliency, factor, new double[] {0.05, 0.01}, 0.1);
                }
                double present = heldOut(naive, x, y);
                QuantizedBlock.Epoch point = got.curve().get(epoch);
                assertThat(point.outputLoss()).isCloseTo(output, within(1e-4 * output));
                assertThat(point.preservation()).isCloseTo(preserved, within(1e-4 * preserved));
                assertThat(point.heldOut()).isCloseTo(present, within(1e-4 * present));
                if (present < best) {
                    best = present;
                    kept = naive.snapshot();
                }
            }
            naive.restore(kept);
            expect(adapted(got), naive);
        }
    }

    private static double heldOut(NaiveTraining naive, double[][][] x, double[][][] y) {
        double sum = 0;
        for (int s = SAMPLES - 2; s < SAMPLES; s++) {
            sum += naive.loss(x[s], y[s], new double[VALUES][HIDDEN]) / 2;
        }
        return sum;
    }

    /** The generator that adapters of a linear start with: one of the block's, split once for each linear in order. */
    private static SplittableRandom randomOf(Linear linear) {
        SplittableRandom random = new SplittableRandom(SEED);
        for (Linear earlier : Linear.values()) {
            SplittableRandom own = random.split();
            if (earlier == linear) {
                return own;
            }
        }
        throw new IllegalArgumentException(linear.label());
    }

    /** Ten steps of Adam in fp32 stay within 1e-4 of those in double; storing rounds to fp16. */
    private static void expect(LowRank got, NaiveTraining want) {
        dev.salient.tensor.Tensor magnitude = got.magnitude();
        for (int o = 0; o < want.out && magnitude != null; o++) {
            double length = want.lengths[o][0];
            assertThat((double) magnitude.get(o)).isCloseTo(length, within(1e-4 + 0x1p-10 * length));
        }
        GroupAffine base = (GroupAffine) got.base();
        for (int o = 0; o < want.out; o++) {
            for (int g = 0; g < want.in / SIZE; g++) {
                double scale = want.group(o, g)[2];
                assertThat((double) base.scale(o, g)).isCloseTo(scale, within(scale * (0x1p-11 + 1e-4)));
            }
            for (int i = 0; i < want.in; i++) {
                double ratio = want.weight[o][i] / want.group(o, i / SIZE)[2];
                boolean tie = Math.abs(Math.abs(ratio - Math.floor(ratio)) - 0.5) < 2e-3; // the scale's own rounding
                if (!tie) {
                    assertThat(base.code(o, i) - base.zero(o, i / SIZE)).isEqualTo((int) want.level(o, i));
                }
            }
            for (int r = 0; r < want.rank; r++) {
                double b = want.b[o][r];
                assertThat((double) got.b().get((long) o * want.rank + r))
                        .isCloseTo(b, within(1e-4 + 0x1p-10 * Math.abs(b)));
            }
        }
        for (int r = 0; r < want.rank; r++) {
            for (int i = 0; i < want.in; i++) {
                double a = want.a[r][i];
                assertThat((double) got.a().get((long) r * want.in + i))
                        .isCloseTo(a, within(1e-4 + 0x1p-10 * Math.abs(a)));
            }
        }
    }

    /** With a rate that only harms, the block stays as it started, and a stage ends when its patience does. */
    @ParameterizedTest
    @ValueSource(ints = {0, 2})
    void theStartIsKeptWhereNoEpochIsBetter(int patience) throws IOException {
        Stage harmful = new Stage(Objective.OUTPUT, Terms.NONE, 4, 50, 0, 0, 0, false);
        Stage none = new Stage(Objective.OUTPUT, Terms.NONE, 0, 50, 0, 0, 0, false);
        Preservation off = preservation(0, Scale.ABSOLUTE);
        for (Scope which : Scope.values()) {
            try (TorchScope scope = new TorchScope();
                    Problem problem = new Problem()) {
                int[] steps = new int[1];
                PartialRetraining method = method(which, off, new HeldOut(1, patience), harmful);
                QuantizedBlock got = PartialRetrainer.quantize(problem.task(), method, step -> steps[0] = step);
                QuantizedBlock want =
                        PartialRetrainer.quantize(problem.task(), method(which, off, HeldOut.NONE, none), step -> {});
                assertThat(got.curve()).hasSize(patience == 0 ? 4 : patience);
                assertThat(steps[0]).isEqualTo(PartialRetrainer.stepsPerBlock(method, SAMPLES - 1));
                assertThat(values(adapted(got))).isEqualTo(values(adapted(want)));
            }
        }
    }

    private static LowRank adapted(QuantizedBlock block) {
        return (LowRank) Objects.requireNonNull(block.linears().get(Linear.V));
    }

    private static float[] values(PackedWeight weight) {
        float[] values = new float[weight.out() * weight.in()];
        for (int row = 0; row < weight.out(); row++) {
            weight.decodeRow(row, values, row * weight.in());
        }
        return values;
    }

    /** Without training, an adapter that starts at the error is what LoftQ with one turn and LQER make of it. */
    @ParameterizedTest
    @EnumSource(value = Adapters.Start.class, names = "ZERO", mode = EnumSource.Mode.EXCLUDE)
    void adaptersStartAtTheError(Adapters.Start start) throws IOException {
        try (TorchScope scope = new TorchScope();
                Problem problem = new Problem()) {
            Stage none = new Stage(Objective.OUTPUT, Terms.NONE, 0, 1, 0, 0, 0, false);
            PartialRetraining method = new PartialRetraining(
                    GRID,
                    Start.SQUARED_ERROR,
                    new Adapters(Adapters.Kind.LORA, 3, 16, start),
                    Scope.BLOCK,
                    TokenWeighting.PLAIN,
                    preservation(0, Scale.ABSOLUTE),
                    List.of(none),
                    HeldOut.NONE);
            BlockTask task = problem.task();
            boolean byInputs = start == Adapters.Start.LQER;
            Tensor energy = InputSums.energies(task.original(), task.degraded(), task.rope(), CPU)
                    .mean(Linear.V);
            LowRank want = (LowRank) ErrorAdapter.quantize(
                    problem.block.weight(Linear.V),
                    byInputs ? energy : null,
                    new Method.ErrorAdapter(GRID, Start.SQUARED_ERROR, 3, 1, byInputs),
                    CPU);
            LowRank got = adapted(PartialRetrainer.quantize(task, method, step -> {}));
            assertThat(got.scaling()).isEqualTo(16f / 3);
            float[] values = values(got);
            float[] expected = values(want);
            // three products of numbers up to 1, rounded to fp16 on both sides
            for (int i = 0; i < values.length; i++) {
                assertThat(values[i]).isCloseTo(expected[i], within(3 * 0x1p-9f));
            }
        }
    }

    /** The later linears of a block are fed what the quantized earlier ones make. */
    @Test
    void linearAfterLinearLowersTheErrorOfEach() throws IOException {
        try (TorchScope scope = new TorchScope();
                Problem problem = new Problem()) {
            Stage stage = new Stage(Objective.OUTPUT, Terms.NONE, 8, 0.01, 0.05, 0, 0, true);
            BlockTask task = problem.task();
            BlockTask all = new BlockTask(
                    0,
                    task.original(),
                    task.clean(),
                    task.degraded(),
                    task.scratch(),
                    Map.of(),
                    Map.of(),
                    Map.of(),
                    task.rope(),
                    CPU,
                    SEED);
            float[] before = problem.clean[0].clone();
            PartialRetraining method = method(Scope.LINEARS, preservation(0, Scale.ABSOLUTE), HeldOut.NONE, stage);
            QuantizedBlock got = PartialRetrainer.quantize(all, method, step -> {});
            assertThat(got.linears()).hasSize(Linear.values().length);
            assertThat(got.curve().getLast().outputLoss())
                    .isLessThan(got.curve().getFirst().outputLoss());
            float[] output =
                    TorchDevice.toFloats(problem.block.forward(CPU.floats(before, 1, TOKENS, HIDDEN), task.rope()));
            assertThat(TorchDevice.toFloats(task.clean().get(0, CPU))).isEqualTo(output);
        }
    }
}
