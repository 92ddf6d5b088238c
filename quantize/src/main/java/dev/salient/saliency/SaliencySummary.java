package dev.salient.saliency;

import static dev.salient.tensor.Preconditions.require;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Where a linear's saliency lies, in few numbers.
 *
 * @param mean saliency of a weight
 * @param topOnePercent share of the saliency that the most salient hundredth of the weights holds
 * @param concentration the same for other parts of the weights, smallest first, to 1
 * @param rows output channels cut into at most {@value #CELLS} cells: the largest mean of a row in the cell, in times of
 *     the whole mean
 * @param columns input channels, likewise
 * @param topRows the most salient rows, with their share of all
 * @param topColumns the most salient columns
 */
public record SaliencySummary(
        double mean,
        double topOnePercent,
        List<Share> concentration,
        List<Double> rows,
        List<Double> columns,
        List<Channel> topRows,
        List<Channel> topColumns) {
    private static final int CELLS = 64;
    private static final int TOP_CHANNELS = 3;
    private static final double[] PARTS = {0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1};

    /**
     * What the most salient weights hold.
     *
     * @param top part of the weights
     * @param share of the saliency
     */
    public record Share(double top, double share) {}

    /** A row or column and its share of the saliency. */
    public record Channel(int index, double share) {}

    /**
     * Sums up one linear.
     *
     * @param saliency [out, in]
     */
    public static SaliencySummary of(float[] saliency, int out, int in) {
        require(saliency.length == out * in, "saliency: got %d values, want [%d, %d]", saliency.length, out, in);
        double[] rows = new double[out];
        double[] columns = new double[in];
        for (int row = 0; row < out; row++) {
            for (int column = 0; column < in; column++) {
                rows[row] += saliency[row * in + column];
                columns[column] += saliency[row * in + column];
            }
        }
        double total = Arrays.stream(rows).sum();
        List<Share> concentration = concentration(saliency, total);
        double atOne = concentration.stream()
                .filter(at -> at.top() == 0.01)
                .mapToDouble(Share::share)
                .findFirst()
                .orElseThrow();
        return new SaliencySummary(
                total / saliency.length,
                atOne,
                concentration,
                cells(rows, total),
                cells(columns, total),
                top(rows, total),
                top(columns, total));
    }

    private static List<Share> concentration(float[] saliency, double total) {
        float[] sorted = saliency.clone();
        Arrays.sort(sorted);
        List<Share> shares = new ArrayList<>();
        double sum = 0;
        int taken = 0;
        for (double part : PARTS) {
            int count = (int) Math.max(1, Math.round(part * sorted.length));
            while (taken < count) {
                sum += sorted[sorted.length - ++taken];
            }
            shares.add(new Share(part, share(sum, total)));
        }
        return shares;
    }

    private static double share(double sum, double total) {
        return total == 0 ? 0 : sum / total;
    }

    private static List<Double> cells(double[] sums, double total) {
        int cells = Math.min(CELLS, sums.length);
        List<Double> largest = new ArrayList<>();
        for (int cell = 0; cell < cells; cell++) {
            int from = cell * sums.length / cells;
            int to = (cell + 1) * sums.length / cells;
            double most = Arrays.stream(sums, from, to).max().orElse(0);
            largest.add(rounded(share(most * sums.length, total)));
        }
        return largest;
    }

    /** Three digits are enough for a colour. */
    private static double rounded(double value) {
        return Math.round(value * 1000) / 1000.0;
    }

    private static List<Channel> top(double[] sums, double total) {
        return IntStream.range(0, sums.length)
                .boxed()
                .sorted(Comparator.comparingDouble((Integer i) -> -sums[i]))
                .limit(TOP_CHANNELS)
                .map(i -> new Channel(i, share(sums[i], total)))
                .toList();
    }
}
