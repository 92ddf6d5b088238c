package dev.salient.format.gguf;

import dev.salient.format.FormatException;
import dev.salient.model.ModelConfig;
import dev.salient.model.RopeScaling;
import dev.salient.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * LLaMA 3's stretching of wavelengths, found again from the divisor of each rotary frequency.
 *
 * <p>GGUF stores the divisors alone. All published models share the corners (1, 4 and 8192 tokens) and differ in the
 * factor, which is the largest divisor; other divisors are refused.
 */
final class RopeFactors {
    private static final double LOW = 1;
    private static final double HIGH = 4;
    private static final int ORIGINAL_CONTEXT = 8192;
    private static final double TOLERANCE = 1e-3;

    private RopeFactors() {}

    /** The divisor of each frequency: what a file holds of a scaling. */
    static float[] divisors(ModelConfig config, RopeScaling scaling) {
        float[] divisors = new float[config.headSize() / 2];
        for (int i = 0; i < divisors.length; i++) {
            double frequency = Math.pow(config.ropeBase(), -1.0 * i / divisors.length);
            divisors[i] = (float) (frequency / scaling.scale(frequency));
        }
        return divisors;
    }

    /**
     * The scaling that these divisors come from; null where they are all 1.
     *
     * @param divisors [headSize / 2]
     */
    static @Nullable RopeScaling scaling(String place, Tensor divisors, double ropeBase) throws FormatException {
        int pairs = divisors.shape().dimension(0);
        double largest = 1;
        boolean all1 = true;
        for (int i = 0; i < pairs; i++) {
            largest = Math.max(largest, divisors.get(i));
            all1 &= divisors.get(i) == 1;
        }
        if (all1) {
            return null;
        }
        RopeScaling scaling = new RopeScaling(largest, LOW, HIGH, ORIGINAL_CONTEXT);
        for (int i = 0; i < pairs; i++) {
            double frequency = Math.pow(ropeBase, -1.0 * i / pairs);
            double want = frequency / scaling.scale(frequency);
            if (!(Math.abs(divisors.get(i) - want) <= TOLERANCE * want)) {
                throw new FormatException(
                        "%s: got divisor %s at %d, want %.6f as in LLaMA 3's scaling by %s over 8192 tokens",
                        place, divisors.get(i), i, want, largest);
            }
        }
        return scaling;
    }
}
