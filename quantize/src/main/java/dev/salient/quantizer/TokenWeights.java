package dev.salient.quantizer;

import dev.salient.calibration.Activations;
import dev.salient.method.TokenWeighting;
import dev.salient.torch.TorchBlock;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * The weights w of a block's output loss {@code sum over tokens t of w_t ||y_t - target_t||^2}.
 *
 * <p>Tokens whose keys and values are intact have none: what a block makes of them reaches no other token.
 */
final class TokenWeights {
    /** A token is a pivot where its squared norm is this many times the median's. */
    private static final double PIVOT = 100;

    private TokenWeights() {}

    /**
     * The weight of each token of a sample.
     *
     * @param target [1, tokens, hidden]
     * @param block how many of the first tokens are intact is its to say
     * @return [1, tokens, 1]
     */
    static Tensor of(Tensor target, TokenWeighting weighting, TorchBlock block, TorchDevice device) {
        int skipped = block.intactTokens();
        float[] energies;
        try (TorchScope scope = new TorchScope()) {
            energies = TorchDevice.toFloats(
                    target.narrow(1, skipped, target.size(1) - skipped).square().sum(-1));
        }
        long hidden = target.size(2);
        double[] weights = switch (weighting) {
            case PLAIN -> fill(energies.length, 1.0 / ((double) energies.length * hidden));
            case RELATIVE -> relative(energies);
            case ROOT -> root(energies);
            case PIVOT -> pivot(energies);
        };
        float[] narrow = new float[skipped + weights.length];
        for (int t = 0; t < weights.length; t++) {
            narrow[skipped + t] = (float) weights[t];
        }
        return device.floats(narrow, 1, narrow.length, 1);
    }

    /** The weights of every sample. */
    static List<Tensor> all(Activations targets, TokenWeighting weighting, TorchBlock block, TorchDevice device) {
        List<Tensor> weights = new ArrayList<>();
        for (int sample = 0; sample < targets.samples(); sample++) {
            try (TorchScope scope = new TorchScope()) {
                weights.add(scope.keep(of(targets.get(sample, device), weighting, block, device)));
            }
        }
        return weights;
    }

    private static double[] fill(int count, double value) {
        double[] weights = new double[count];
        Arrays.fill(weights, value);
        return weights;
    }

    private static double[] relative(float[] energies) {
        double[] weights = new double[energies.length];
        for (int t = 0; t < weights.length; t++) {
            weights[t] = 1 / (energies.length * positive(energies[t]));
        }
        return weights;
    }

    private static double[] root(float[] energies) {
        double mean = 0;
        for (float energy : energies) {
            mean += Math.sqrt(positive(energy)) / energies.length;
        }
        double[] weights = new double[energies.length];
        for (int t = 0; t < weights.length; t++) {
            weights[t] = 1 / (energies.length * Math.sqrt(positive(energies[t])) * mean);
        }
        return weights;
    }

    private static double[] pivot(float[] energies) {
        float[] sorted = energies.clone();
        Arrays.sort(sorted);
        double limit = PIVOT * positive(sorted[sorted.length / 2]);
        int pivots = 0;
        for (float energy : energies) {
            pivots += energy > limit ? 1 : 0;
        }
        double[] weights = new double[energies.length];
        for (int t = 0; t < weights.length; t++) {
            int alike = energies[t] > limit ? pivots : energies.length - pivots;
            weights[t] = 1 / (alike * positive(energies[t]));
        }
        return weights;
    }

    private static double positive(float energy) {
        return Math.max(energy, 1e-6);
    }
}
