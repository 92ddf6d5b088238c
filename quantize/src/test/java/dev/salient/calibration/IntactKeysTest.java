package dev.salient.calibration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.model.IntactKv;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.Linear;
import dev.salient.model.ModelWeights;
import dev.salient.model.PackedLanguageModel;
import dev.salient.packed.PackedWeight;
import dev.salient.pipeline.TinyLlama;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Intact keys and values, against the formulas of a first block and against the model that they are of. */
class IntactKeysTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int[] TOKENS = {200, 3, 77};

    @TempDir
    Path folder;

    private Checkpoint checkpoint;
    private ModelWeights weights;

    @BeforeEach
    void open() throws IOException {
        TinyLlama.write(folder, 5);
        checkpoint = Checkpoints.open(folder);
        weights = checkpoint.weights();
    }

    @AfterEach
    void close() {
        checkpoint.close();
    }

    private static double[][] values(PackedWeight weight) {
        double[][] values = new double[weight.out()][weight.in()];
        float[] row = new float[weight.in()];
        for (int o = 0; o < weight.out(); o++) {
            weight.decodeRow(o, row, 0);
            for (int i = 0; i < row.length; i++) {
                values[o][i] = row[i];
            }
        }
        return values;
    }

    /** The first block's input after its norm, whose gains are 1. */
    private double[] normed(int token) {
        double[] x = values(weights.embedding())[token];
        double squares = 0;
        for (double v : x) {
            squares += v * v;
        }
        for (int i = 0; i < x.length; i++) {
            x[i] /= Math.sqrt(squares / x.length + 1e-5);
        }
        return x;
    }

    private static double[] product(double[][] w, double[] x) {
        double[] y = new double[w.length];
        for (int o = 0; o < y.length; o++) {
            for (int i = 0; i < x.length; i++) {
                y[o] += w[o][i] * x[i];
            }
        }
        return y;
    }

    @Test
    void thoseOfTheFirstBlockAreTheFormulas() {
        IntactKv got = IntactKeys.of(weights, TOKENS, CPU);
        assertThat(got.tokens()).containsExactly(200, 3, 77);
        for (int t = 0; t < TOKENS.length; t++) {
            double[] key = product(values(weights.blocks().getFirst().linear(Linear.K)), normed(TOKENS[t]));
            double[] value = product(values(weights.blocks().getFirst().linear(Linear.V)), normed(TOKENS[t]));
            for (int c = 0; c < 32; c++) {
                int i = c % 16;
                double angle = t / Math.pow(10000, 2.0 * (i % 8) / 16);
                double partner = i < 8 ? -key[c + 8] : key[c - 8];
                double turned = key[c] * Math.cos(angle) + partner * Math.sin(angle);
                assertThat((double) got.keys(0)[t * 32 + c]).isCloseTo(turned, within(2e-3 * (1 + Math.abs(turned))));
                assertThat((double) got.values(0)[t * 32 + c])
                        .isCloseTo(value[c], within(2e-3 * (1 + Math.abs(value[c]))));
            }
        }
    }

    /** A model with its own keys and values put in place of its own is the same model, but for their rounding to fp16. */
    @Test
    void aModelWithItsOwnIsItself() {
        int[] text = {200, 3, 77, 5, 6, 7, 8, 9};
        List<float[]> got = new ArrayList<>();
        for (ModelWeights one : List.of(weights, weights.withIntact(IntactKeys.of(weights, TOKENS, CPU)))) {
            try (PackedLanguageModel model = new PackedLanguageModel(one, 1);
                    KvCache cache = model.newCache(text.length)) {
                got.add(model.forwardLast(text, cache));
            }
        }
        for (int v = 0; v < 256; v++) {
            assertThat(got.get(1)[v]).isCloseTo(got.get(0)[v], within(5e-3f));
        }
    }

    /** What a block makes of intact tokens reaches no other token: what it is fed there does not count. */
    @Test
    void sumsOfInputsLeaveIntactTokensOut() {
        int[] window = {200, 3, 77, 5, 6, 7};
        try (TorchScope scope = new TorchScope();
                Activations states = Activations.inMemory(new Activations.Size(1, window.length, 64))) {
            Stream.embed(weights, List.of(window), states, CPU);
            TorchLanguageModel.Block block =
                    TorchLanguageModel.loadBlock(weights, 0, CPU).with(IntactKeys.of(weights, TOKENS, CPU), CPU);
            Rope rope = Rope.of(weights.config(), window.length, CPU);
            float[] mean = TorchDevice.toFloats(
                    InputSums.energies(block, states, rope, CPU).mean(Linear.Q));
            for (int i = 0; i < 64; i++) {
                double sum = 0;
                for (int t = TOKENS.length; t < window.length; t++) {
                    sum += Math.pow(normed(window[t])[i], 2);
                }
                assertThat((double) mean[i]).isCloseTo(sum / 3, within(1e-5));
            }
        }
    }
}
