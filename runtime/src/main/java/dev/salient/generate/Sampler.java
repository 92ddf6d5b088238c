package dev.salient.generate;

import java.util.Arrays;
import java.util.BitSet;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/** Draws tokens as a {@link Sampling} says; one generator (L64X128MixRandom) from its seed, one draw a token. */
public final class Sampler {
    private final Sampling sampling;
    private final RandomGenerator random;

    public Sampler(Sampling sampling) {
        this.sampling = sampling;
        this.random = RandomGeneratorFactory.of("L64X128MixRandom").create(sampling.seed());
    }

    /**
     * The next token.
     *
     * @param logits [vocab], overwritten
     * @param seen ids of the tokens in the text so far, for the repetition penalty
     * @throws ArithmeticException where a logit is no number
     */
    public int next(float[] logits, BitSet seen) {
        for (int id = 0; id < logits.length; id++) {
            if (!(logits[id] < Float.POSITIVE_INFINITY)) {
                throw new ArithmeticException("logits: got %s for token %d, want a number".formatted(logits[id], id));
            }
        }
        penalize(logits, seen);
        if (sampling.temperature() == 0) {
            return mostLikely(logits);
        }
        return filter(logits).draw(random.nextDouble());
    }

    /** Temperature and filters. */
    private Candidates filter(float[] logits) {
        for (int id = 0; id < logits.length; id++) {
            logits[id] = (float) (logits[id] / sampling.temperature());
        }
        Candidates candidates = new Candidates(logits);
        candidates.keepTop(sampling.topK());
        candidates.keepMass(sampling.topP());
        candidates.keepRelative(sampling.minP());
        return candidates;
    }

    /**
     * The probabilities from which {@link #next} draws where the temperature is not 0: [vocab].
     *
     * @param logits [vocab], overwritten
     */
    double[] probabilities(float[] logits, BitSet seen) {
        penalize(logits, seen);
        return filter(logits).probabilities();
    }

    private void penalize(float[] logits, BitSet seen) {
        if (sampling.repetitionPenalty() == 1) {
            return;
        }
        float penalty = (float) sampling.repetitionPenalty();
        for (int id = seen.nextSetBit(0); id >= 0 && id < logits.length; id = seen.nextSetBit(id + 1)) {
            logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
        }
    }

    /** The lowest id of those with the highest logit. */
    private static int mostLikely(float[] logits) {
        int best = 0;
        for (int id = 1; id < logits.length; id++) {
            if (logits[id] > logits[best]) {
                best = id;
            }
        }
        return best;
    }

    /** Tokens in falling order of their logits, equal ones in rising order of their ids; the filters shorten it. */
    private static final class Candidates {
        private final float[] logits;
        private final long[] order;
        private int count;

        Candidates(float[] logits) {
            this.logits = logits;
            this.order = new long[logits.length];
            this.count = logits.length;
            for (int id = 0; id < order.length; id++) {
                int bits = Float.floatToIntBits(logits[id] + 0f);
                int rising = bits >= 0 ? bits : bits ^ Integer.MAX_VALUE;
                order[id] = ((long) ~rising << Integer.SIZE) | id;
            }
            Arrays.sort(order);
        }

        private int id(int rank) {
            return (int) order[rank];
        }

        private float logit(int rank) {
            return logits[id(rank)];
        }

        void keepTop(int k) {
            if (k == 0 || k >= count) {
                return;
            }
            int kept = k;
            while (kept < count && logit(kept) == logit(k - 1)) {
                kept++;
            }
            count = kept;
        }

        /** Drops, from the least likely up, tokens whose probabilities together are at most 1 - p; never the first. */
        void keepMass(double p) {
            if (p == 1) {
                return;
            }
            double total = total();
            double dropped = 0;
            while (count > 1) {
                dropped += weight(count - 1) / total;
                if (dropped > 1 - p) {
                    break;
                }
                count--;
            }
        }

        void keepRelative(double p) {
            while (count > 1 && weight(count - 1) < p) {
                count--;
            }
        }

        double[] probabilities() {
            double[] probabilities = new double[logits.length];
            double total = total();
            for (int rank = 0; rank < count; rank++) {
                probabilities[id(rank)] = weight(rank) / total;
            }
            return probabilities;
        }

        int draw(double uniform) {
            double left = uniform * total();
            for (int rank = 0; rank < count; rank++) {
                left -= weight(rank);
                if (left < 0) {
                    return id(rank);
                }
            }
            return id(0);
        }

        /** The probability over that of the most likely token. */
        private double weight(int rank) {
            return rank == 0 ? 1 : Math.exp((double) logit(rank) - logit(0));
        }

        private double total() {
            double total = 0;
            for (int rank = 0; rank < count; rank++) {
                total += weight(rank);
            }
            return total;
        }
    }
}
