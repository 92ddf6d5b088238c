package dev.salient.quantizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.method.TokenWeighting;
import dev.salient.model.ModelConfig;
import dev.salient.torch.TorchBlock;
import dev.salient.torch.TorchBlock.KeysAndValues;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Tokens whose keys and values are intact count for nothing, and the others as if those were not there. */
class TokenWeightsTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int TOKENS = 7;
    private static final int CHANNELS = 5;
    private static final int INTACT = 2;

    /** The definitions, over the tokens that count. */
    private static double naive(TokenWeighting weighting, double[] energies, int token) {
        double mean = 0;
        for (double energy : energies) {
            mean += Math.sqrt(energy) / energies.length;
        }
        return switch (weighting) {
            case PLAIN -> 1.0 / (energies.length * CHANNELS);
            case RELATIVE, PIVOT -> 1 / (energies.length * energies[token]); // none is massive among those that count
            case ROOT -> 1 / (energies.length * Math.sqrt(energies[token]) * mean);
        };
    }

    @ParameterizedTest
    @EnumSource(TokenWeighting.class)
    void intactTokensHaveNoWeight(TokenWeighting weighting) {
        Random random = new Random(1);
        float[] target = new float[TOKENS * CHANNELS];
        double[] energies = new double[TOKENS - INTACT];
        for (int i = 0; i < target.length; i++) {
            target[i] = (float) random.nextGaussian() * (i < CHANNELS ? 1e4f : 1); // the first is massive
            if (i >= INTACT * CHANNELS) {
                energies[i / CHANNELS - INTACT] += (double) target[i] * target[i];
            }
        }
        ModelConfig config = new ModelConfig(CHANNELS, 8, 1, 1, 1, 4, 9, 16, 10_000, null, 1e-5, true);
        try (TorchScope scope = new TorchScope()) {
            TorchBlock block = new TorchBlock(config, CPU.zeros(CHANNELS), CPU.zeros(CHANNELS))
                    .withIntact(new KeysAndValues(CPU.zeros(1, INTACT, 4), CPU.zeros(1, INTACT, 4)));
            float[] got = TorchDevice.toFloats(
                    TokenWeights.of(CPU.floats(target, 1, TOKENS, CHANNELS), weighting, block, CPU));
            assertThat(got).hasSize(TOKENS).startsWith(0, 0);
            for (int t = INTACT; t < TOKENS; t++) {
                double want = naive(weighting, energies, t - INTACT);
                assertThat((double) got[t]).isCloseTo(want, within(1e-6 * want));
            }
        }
    }
}
