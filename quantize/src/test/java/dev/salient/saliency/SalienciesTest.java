package dev.salient.saliency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.calibration.Activations;
import dev.salient.calibration.InputSums;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.model.Linear;
import dev.salient.pipeline.TinyLlama;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each rule by its formula, number by number. */
class SalienciesTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int OUT = 3;
    private static final int IN = 32;

    @TempDir
    Path folder;

    private static float[] gaussians(int count, long seed) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    @Test
    void rulesAreTheirFormulas() {
        float[] weight = gaussians(OUT * IN, 1);
        float[] energy = gaussians(IN, 2);
        for (int i = 0; i < IN; i++) {
            energy[i] *= energy[i];
        }
        try (TorchScope scope = new TorchScope()) {
            Tensor w = CPU.floats(weight, OUT, IN);
            Tensor e = CPU.floats(energy, IN);
            float[] uniform = TorchDevice.toFloats(Saliencies.uniform(w));
            float[] activation = TorchDevice.toFloats(Saliencies.activation(w, e));
            float[] wanda = TorchDevice.toFloats(Saliencies.weightTimesActivation(w, e));
            float[] means = TorchDevice.toFloats(Saliencies.groupMeans(w, 8));
            for (int i = 0; i < weight.length; i++) {
                assertThat(uniform[i]).isEqualTo(1);
                assertThat(activation[i]).isEqualTo(energy[i % IN]);
                double product = Math.abs(weight[i]) * Math.sqrt(energy[i % IN]);
                assertThat((double) wanda[i]).isCloseTo(product, within(4e-7 * product));
                double sum = 0;
                for (int k = i / 8 * 8; k < i / 8 * 8 + 8; k++) {
                    sum += weight[k];
                }
                assertThat((double) means[i]).isCloseTo(sum / 8, within(1e-6));
            }
        }
    }

    /** The energy of a channel is the diagonal of X^T X, for every linear of a block. */
    @Test
    void energiesAreTheDiagonalOfTheGram() throws IOException {
        TinyLlama.write(folder, 3);
        try (Checkpoint checkpoint = Checkpoints.open(folder);
                Activations inputs = Activations.inMemory(new Activations.Size(2, 16, 64));
                TorchScope scope = new TorchScope()) {
            for (int sample = 0; sample < 2; sample++) {
                inputs.set(sample, CPU.floats(gaussians(16 * 64, sample), 1, 16, 64));
            }
            var config = checkpoint.weights().config();
            Rope rope = Rope.of(config, 16, CPU);
            TorchLanguageModel.Block block = TorchLanguageModel.loadBlock(checkpoint.weights(), 0, CPU);
            InputSums grams = InputSums.grams(block, inputs, rope, CPU);
            InputSums energies = InputSums.energies(block, inputs, rope, CPU);
            for (Linear linear : Linear.values()) {
                int in = linear.in(config);
                float[] gram = TorchDevice.toFloats(grams.of(linear));
                float[] energy = TorchDevice.toFloats(energies.of(linear));
                assertThat(energy).hasSize(in);
                for (int i = 0; i < in; i++) {
                    assertThat(energy[i]).isCloseTo(gram[i * in + i], within(1e-5f * gram[i * in + i]));
                }
            }
        }
    }
}
