package dev.salient.measure;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import java.nio.ByteBuffer;
import java.nio.DoubleBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** How well a model predicted each counted token of one window, and how far it was from the original there. */
public final class WindowScores {
    /** What a token's scores are, in this order; the last three only where there is an original. */
    private static final int NLL = 0;

    private static final int ORIGINAL_NLL = 1;
    private static final int KL = 2;
    private static final int RANK = 3;
    private static final int COLUMNS = 4;

    private final int first;
    private final boolean compared;
    private final double seconds;
    /** [counted tokens, COLUMNS] */
    private final double[] scores;

    private WindowScores(int first, boolean compared, double seconds, double[] scores) {
        this.first = first;
        this.compared = compared;
        this.seconds = seconds;
        this.scores = scores;
    }

    /** Position in the window of the first token that counts. */
    public int first() {
        return first;
    }

    /** Tokens that count. */
    public int tokens() {
        return scores.length / COLUMNS;
    }

    /** Whether there was an original to compare with. */
    public boolean compared() {
        return compared;
    }

    /** What it took to compute, the original's part too. */
    double seconds() {
        return seconds;
    }

    /** Negative log-likelihood of a counted token, nats. */
    public double nll(int token) {
        return scores[token * COLUMNS + NLL];
    }

    /** The original's negative log-likelihood of a counted token, nats. */
    public double originalNll(int token) {
        return scores[token * COLUMNS + ORIGINAL_NLL];
    }

    /** KL(original || model) where a counted token is predicted, nats. */
    public double kl(int token) {
        return scores[token * COLUMNS + KL];
    }

    /** Tokens that the model finds likelier than the one that the original finds likeliest. */
    public int rankOfFavourite(int token) {
        return (int) scores[token * COLUMNS + RANK];
    }

    /** Negative log-likelihood of a token, nats, mean over the counted ones. */
    public double meanNll() {
        double sum = 0;
        for (int token = 0; token < tokens(); token++) {
            sum += nll(token);
        }
        return sum / tokens();
    }

    /** Scores while they are computed: many threads, each a token of its own. */
    static final class Builder {
        private final Window window;
        private final boolean compared;
        private final double[] scores;

        Builder(Window window, boolean compared) {
            this.window = window;
            this.compared = compared;
            this.scores = new double[window.counted() * COLUMNS];
        }

        /**
         * Scores one token.
         *
         * @param original [vocab], or null where there is none
         * @param logits [vocab]
         */
        void score(int token, float @Nullable [] original, float[] logits) {
            int id = window.countedId(token);
            int at = token * COLUMNS;
            if (original == null) {
                scores[at + NLL] = LogProbabilities.logSum(logits) - logits[id];
                return;
            }
            LogProbabilities.Pair pair = LogProbabilities.compare(original, logits);
            scores[at + NLL] = pair.otherLogSum() - logits[id];
            scores[at + ORIGINAL_NLL] = pair.logSum() - original[id];
            scores[at + KL] = pair.divergence();
            scores[at + RANK] = LogProbabilities.rank(logits, LogProbabilities.mostLikely(original));
        }

        WindowScores build(double seconds) {
            return new WindowScores(window.first(), compared, seconds, scores);
        }
    }

    /** As bytes for {@link WindowFiles}. */
    ByteBuffer toBytes() {
        ByteBuffer bytes = ByteBuffer.allocate(2 * Integer.BYTES + Double.BYTES * (1 + scores.length))
                .order(LITTLE_ENDIAN);
        bytes.putInt(first).putInt(compared ? 1 : 0).putDouble(seconds);
        bytes.asDoubleBuffer().put(scores);
        return bytes.rewind();
    }

    /** From bytes, or null where they are no scores of this window. */
    static @Nullable WindowScores findIn(ByteBuffer bytes, Window window) {
        bytes.order(LITTLE_ENDIAN);
        int header = 2 * Integer.BYTES + Double.BYTES;
        if (bytes.remaining() != header + Double.BYTES * COLUMNS * window.counted()) {
            return null;
        }
        int first = bytes.getInt();
        boolean compared = bytes.getInt() == 1;
        double seconds = bytes.getDouble();
        DoubleBuffer values = bytes.asDoubleBuffer();
        double[] scores = new double[values.remaining()];
        values.get(scores);
        return first == window.first() ? new WindowScores(first, compared, seconds, scores) : null;
    }

    /** Equal where all scores are; the time they took doesn't count. */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof WindowScores own
                && own.first == first
                && own.compared == compared
                && Arrays.equals(own.scores, scores);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(scores);
    }
}
