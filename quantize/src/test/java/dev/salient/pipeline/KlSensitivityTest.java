package dev.salient.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.quantizer.RoundToNearest;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchLanguageModel.Block;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KlSensitivityTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final Grid PLAIN = new Grid.Signed2(64);
    private static final int TOKENS = 24;

    @TempDir
    Path folder;

    private final List<int[]> windows = List.of(window(1), window(2), window(3));

    private static int[] window(long seed) {
        return new Random(seed).ints(TOKENS, 0, 256).toArray();
    }

    @BeforeEach
    void writeModel() throws IOException {
        TinyLlama.write(folder.resolve("model"), 5);
    }

    private Map<LinearId, Map<Grid, Double>> measured(Checkpoint model) throws IOException {
        return new KlSensitivity(model.weights(), PLAIN, windows, CPU).run(folder.resolve("cache"), new Runs.Silent());
    }

    /** The whole model with one linear rounded, and the divergence of its words from the original's, in double. */
    private double naive(Checkpoint model, LinearId id, Grid grid) {
        try (TorchScope scope = new TorchScope()) {
            TorchLanguageModel original = TorchLanguageModel.load(model.weights(), CPU);
            Block block = original.blocks().get(id.block());
            Map<Linear, Tensor> weights = new EnumMap<>(block.weights());
            weights.put(
                    id.linear(),
                    CPU.exactValues(
                            RoundToNearest.quantize(block.weight(id.linear()), grid, Start.SQUARED_ERROR, CPU)));
            List<Block> blocks = new ArrayList<>(original.blocks());
            blocks.set(id.block(), new Block(block.block(), weights));
            TorchLanguageModel rounded = new TorchLanguageModel(
                    original.config(), original.embedding(), blocks, original.finalNorm(), original.head());
            Rope rope = Rope.of(original.config(), TOKENS, CPU);
            double sum = 0;
            for (int[] window : windows) {
                Tensor ids = CPU.longs(window, 1, TOKENS);
                sum += divergence(
                        TorchDevice.toFloats(original.logits(ids, rope)),
                        TorchDevice.toFloats(rounded.logits(ids, rope)));
            }
            return sum / (windows.size() * (double) TOKENS);
        }
    }

    private static double divergence(float[] want, float[] got) {
        double sum = 0;
        for (int from = 0; from < want.length; from += 256) {
            double p = logOfSum(want, from);
            double q = logOfSum(got, from);
            for (int i = from; i < from + 256; i++) {
                sum += Math.exp(want[i] - p) * ((want[i] - p) - (got[i] - q));
            }
        }
        return sum;
    }

    private static double logOfSum(float[] logits, int from) {
        double sum = 0;
        for (int i = from; i < from + 256; i++) {
            sum += Math.exp(logits[i]);
        }
        return Math.log(sum);
    }

    /** Logits are fp32: a logarithm of a probability is off by its own rounding, each of two by 2^-24 of up to 8 and more. */
    @Test
    void isTheDivergenceOfTheModelWithOneLinearRounded() throws IOException {
        try (Checkpoint model = Checkpoints.open(folder.resolve("model"))) {
            Map<LinearId, Map<Grid, Double>> found = measured(model);
            assertThat(found).hasSize(2 * Linear.values().length);
            for (Map.Entry<LinearId, Map<Grid, Double>> entry : found.entrySet()) {
                assertThat(entry.getValue()).containsOnlyKeys(BitBudget.grids(PLAIN, 64));
                entry.getValue().forEach((grid, divergence) -> {
                    double want = naive(model, entry.getKey(), grid);
                    assertThat(divergence)
                            .as("%s in %s", entry.getKey(), grid)
                            .isCloseTo(want, within(Math.scalb(2 * 16.0, -24) + 1e-4 * want));
                });
                assertThat(entry.getValue().get(PLAIN))
                        .isGreaterThan(entry.getValue().get(new Grid.Signed(4, 64)));
            }
        }
    }

    /** What an interrupted run has measured is not measured again. */
    @Test
    void goesOnWhereItStopped() throws IOException {
        try (Checkpoint model = Checkpoints.open(folder.resolve("model"))) {
            Map<LinearId, Map<Grid, Double>> first = measured(model);
            Path last;
            Path kept;
            try (Stream<Path> files = Files.walk(folder.resolve("cache"))) {
                List<Path> blocks = files.filter(Files::isRegularFile).sorted().toList();
                assertThat(blocks).hasSize(2);
                kept = blocks.getFirst();
                last = blocks.getLast();
            }
            Files.writeString(
                    kept, Files.readString(kept).replaceFirst("(\"q\"[^}]*?\"Signed2[^:]*: *)[^,}\\s]+", "$1 0.5"));
            Files.delete(last);
            Map<LinearId, Map<Grid, Double>> second = measured(model);
            assertThat(second.get(new LinearId(0, Linear.Q))).containsEntry(PLAIN, 0.5);
            assertThat(second.get(new LinearId(1, Linear.DOWN))).isEqualTo(first.get(new LinearId(1, Linear.DOWN)));
        }
    }
}
