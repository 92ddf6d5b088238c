package dev.salient.format.gguf;

import dev.salient.format.FormatException;
import dev.salient.model.ModelConfig;
import dev.salient.model.RopeScaling;
import dev.salient.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The divisor of each rotary frequency, which is all that a GGUF file holds of a scaling.
 *
 * <p>All published LLaMA 3 models share the corners (1, 4 and 8192 tokens) and differ in the factor, which is the largest
 * divisor: their scaling is found again. Other divisors stay what they are.
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
            divisors[i] = (float) (frequency / scaling.scale(i, frequency));
        }
        return divisors;
    }

    /**
     * The scaling that these divisors come from; null where they are all 1 and nothing else changes.
     *
     * @param divisors [headSize / 2]
     * @param magnitude of queries and keys
     */
    static @Nullable RopeScaling scaling(String place, Tensor divisors, double ropeBase, double magnitude)
            throws FormatException {
        List<Double> each = new ArrayList<>();
        for (float divisor : divisors.toFloats()) {
            if (divisor <= 0) {
                throw new FormatException("%s: got divisor %s, want more than 0", place, divisor);
            }
            each.add((double) divisor);
        }
        if (magnitude != 1) {
            return new RopeScaling.Divisors(each, magnitude);
        }
        if (each.stream().allMatch(divisor -> divisor == 1)) {
            return null;
        }
        RopeScaling llama3 = new RopeScaling.Llama3(Collections.max(each), LOW, HIGH, ORIGINAL_CONTEXT);
        return matches(each, llama3, ropeBase) ? llama3 : new RopeScaling.Divisors(each, 1);
    }

    private static boolean matches(List<Double> divisors, RopeScaling scaling, double ropeBase) {
        for (int i = 0; i < divisors.size(); i++) {
            double frequency = Math.pow(ropeBase, -1.0 * i / divisors.size());
            double want = frequency / scaling.scale(i, frequency);
            if (Math.abs(divisors.get(i) - want) > TOLERANCE * want) {
                return false;
            }
        }
        return true;
    }
}
