package dev.salient.measure;

import java.util.Arrays;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Uncertainty by drawing windows again, with replacement: tokens of one window depend on each other, windows hardly do.
 *
 * <p>1,000 draws of as many windows as there are, always the same ones (a fixed seed); the interval is from the 2.5th to
 * the 97.5th percentile of what the draws give.
 */
final class Bootstrap {
    static final int DRAWS = 1000;
    static final long SEED = 1;

    private Bootstrap() {}

    /**
     * The mean over all tokens.
     *
     * @param sums over the tokens of each window
     * @param counts tokens of each window
     */
    static Interval mean(double[] sums, double[] counts) {
        double value = Arrays.stream(sums).sum() / Arrays.stream(counts).sum();
        int windows = sums.length;
        if (windows < 2) {
            return new Interval(value, Double.NaN, Double.NaN);
        }
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(SEED);
        double[] means = new double[DRAWS];
        for (int draw = 0; draw < DRAWS; draw++) {
            double sum = 0;
            double count = 0;
            for (int i = 0; i < windows; i++) {
                int window = random.nextInt(windows);
                sum += sums[window];
                count += counts[window];
            }
            means[draw] = sum / count;
        }
        Arrays.sort(means);
        return new Interval(value, percentile(means, 0.025), percentile(means, 0.975));
    }

    /**
     * A percentile, between two neighbours in proportion: at {@code share * (count - 1)} of the sorted values.
     *
     * @param sorted smallest first, at least one
     */
    static double percentile(double[] sorted, double share) {
        double at = share * (sorted.length - 1);
        int below = (int) at;
        double part = at - below;
        return part == 0 ? sorted[below] : (1 - part) * sorted[below] + part * sorted[below + 1];
    }
}
