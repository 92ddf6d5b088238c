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
     * YaRN (arXiv 2309.00071, section 3.3): short wavelengths stay, long ones are stretched, those between are mixed.
     *
     * @param factor how much long wavelengths are stretched
     * @param originalContext tokens of context in pretraining
     * @param fast turns within that context from which on a wavelength counts as short
     * @param slow turns up to which it counts as long
     * @param whole whether the bounds of pairs that these turns give are rounded outwards
     * @param magnitude of queries and keys
     * @param base of the frequencies
     * @param pairs of channels in a head
     */
    record Yarn(
            double factor,
            int originalContext,
            double fast,
            double slow,
            boolean whole,
            double magnitude,
            double base,
            int pairs)
            implements RopeScaling {
        public Yarn {
            require(factor >= 1, "rope factor: got %s, want 1 or more", factor);
            require(
                    fast > slow && slow > 0,
                    "rope betas: got %s and %s, want the first larger, both above 0",
                    fast,
                    slow);
            require(base > 1, "rope base: got %s, want more than 1", base);
            require(magnitude > 0 && magnitude < 1e6, "rope magnitude: got %s, want 0 to 1e6", magnitude);
        }

        /** What queries and keys are multiplied with where a model says nothing of it. */
        public static double magnitude(double factor) {
            return 1 + 0.1 * Math.log(factor);
        }

        @Override
        public double scale(int pair, double frequency) {
            double low = pairOf(fast);
            double high = pairOf(slow);
            low = Math.max(whole ? Math.floor(low) : low, 0);
            high = Math.min(whole ? Math.ceil(high) : high, 2 * pairs - 1);
            double stretched = Math.clamp((pair - low) / (high == low ? 0.001 : high - low), 0.0, 1.0);
            return frequency * (1 - stretched + stretched / factor);
        }

        /** The pair that turns so often within the original context. */
        private double pairOf(double turns) {
            return pairs * Math.log(originalContext / (turns * 2 * Math.PI)) / Math.log(base);
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
