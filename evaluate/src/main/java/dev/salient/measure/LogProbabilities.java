package dev.salient.measure;

/** Softmax of one row of logits, in double. */
final class LogProbabilities {
    private LogProbabilities() {}

    /** The logarithm of the sum of exponentials: subtracted from a logit it leaves the log-probability. */
    static double logSum(float[] logits) {
        float most = largest(logits);
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp((double) logit - most);
        }
        return most + Math.log(sum);
    }

    private static float largest(float[] logits) {
        float most = Float.NEGATIVE_INFINITY;
        for (float logit : logits) {
            most = Math.max(most, logit); // NaN if one is
        }
        if (Float.isNaN(most)) {
            throw new ArithmeticException("logits: got NaN, want a number");
        }
        return most;
    }

    /** The lowest id of those with the highest logit. */
    static int mostLikely(float[] logits) {
        int best = 0;
        for (int id = 1; id < logits.length; id++) {
            if (logits[id] > logits[best]) {
                best = id;
            }
        }
        return best;
    }

    /** Ids that come before this one where the likeliest is first, and the lower id first of equal ones. */
    static int rank(float[] logits, int id) {
        int before = 0;
        for (int other = 0; other < logits.length; other++) {
            if (logits[other] > logits[id] || (logits[other] == logits[id] && other < id)) {
                before++;
            }
        }
        return before;
    }

    /**
     * Two rows side by side.
     *
     * @param logSum of the original's logits
     * @param otherLogSum of the other's logits
     * @param divergence KL(original || other), nats
     */
    record Pair(double logSum, double otherLogSum, double divergence) {}

    /** One exponential a logit: {@code KL = sum(p (a - b)) - logSum(a) + logSum(b)}, a and b the logits. */
    static Pair compare(float[] original, float[] other) {
        float most = largest(original);
        float otherMost = largest(other);
        double sum = 0;
        double otherSum = 0;
        double apart = 0;
        for (int id = 0; id < original.length; id++) {
            double weight = Math.exp((double) original[id] - most);
            sum += weight;
            otherSum += Math.exp((double) other[id] - otherMost);
            // What the original never says adds nothing, even where the other says it never too.
            if (weight > 0) {
                apart += weight * ((double) original[id] - other[id]);
            }
        }
        double logSum = most + Math.log(sum);
        double otherLogSum = otherMost + Math.log(otherSum);
        return new Pair(logSum, otherLogSum, Math.max(0, apart / sum - logSum + otherLogSum));
    }
}
