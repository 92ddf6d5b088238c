package dev.salient.measure;

/** Softmax of one row of logits, in double. */
final class LogProbabilities {
    private LogProbabilities() {}

    /** The logarithm of the sum of exponentials: subtracted from a logit it leaves the log-probability. */
    static double logSum(float[] logits) {
        float most = Float.NEGATIVE_INFINITY;
        for (float logit : logits) {
            if (Float.isNaN(logit)) {
                throw new ArithmeticException("logits: got NaN, want a number");
            }
            most = Math.max(most, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp((double) logit - most);
        }
        return most + Math.log(sum);
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

    /** KL(p || q) in nats, p and q as logits. */
    static double divergence(float[] p, float[] q) {
        double pSum = logSum(p);
        double qSum = logSum(q);
        double divergence = 0;
        for (int id = 0; id < p.length; id++) {
            double logP = p[id] - pSum;
            double probability = Math.exp(logP);
            // What the original never says adds nothing, even where the other says it never too.
            if (probability > 0) {
                divergence += probability * (logP - (q[id] - qSum));
            }
        }
        return Math.max(0, divergence);
    }
}
