package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import java.util.List;

/** A change of the rotary frequencies for contexts beyond that of pretraining. */
public sealed interface RopeScaling {
    /**
     * The frequency of a channel pair after the change.
     *
     * @param pair its place in the head
     * @param frequency radians per token before it
     */
    double scale(int pair, double frequency);

    /** What queries and keys are multiplied with besides. */
    default double magnitude() {
        return 1;
    }

    /**
     * LLaMA 3's.
     *
     * @param factor how much long wavelengths are stretched
     * @param lowFrequencyFactor wavelengths longer than {@code originalContext / lowFrequencyFactor} are stretched fully
     * @param highFrequencyFactor wavelengths shorter than {@code originalContext / highFrequencyFactor} are left alone
     * @param originalContext tokens of context in pretraining
     */
    record Llama3(double factor, double lowFrequencyFactor, double highFrequencyFactor, int originalContext)
            implements RopeScaling {
        @Override
        public double scale(int pair, double frequency) {
            double wavelength = 2 * Math.PI / frequency;
            if (wavelength < originalContext / highFrequencyFactor) {
                return frequency;
            }
            if (wavelength > originalContext / lowFrequencyFactor) {
                return frequency / factor;
            }
            double smooth =
                    (originalContext / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
            return (1 - smooth) * frequency / factor + smooth * frequency;
        }
    }

    /**
     * All wavelengths are stretched alike.
     *
     * @param factor by which
     */
    record Linear(double factor) implements RopeScaling {
        @Override
        public double scale(int pair, double frequency) {
            return frequency / factor;
        }
    }

    /**
     * Each wavelength is stretched by a number of its own: Phi-3's "longrope" within its original context.
     *
     * @param divisors of the frequencies, [headSize / 2]
     * @param magnitude of queries and keys
     */
    record Divisors(List<Double> divisors, double magnitude) implements RopeScaling {
        public Divisors {
            divisors = List.copyOf(divisors);
            require(magnitude > 0 && magnitude < 1e6, "rope magnitude: got %s, want 0 to 1e6", magnitude);
        }

        @Override
        public double scale(int pair, double frequency) {
            return frequency / divisors.get(pair);
        }
    }
}
