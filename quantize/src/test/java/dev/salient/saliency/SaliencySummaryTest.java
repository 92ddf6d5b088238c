package dev.salient.saliency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SaliencySummaryTest {
    /** Sums of some thousand numbers in double, of whatever order. */
    private static final double ROUNDING = 1e-12;

    private static final int OUT = 40;
    private static final int IN = 150;

    private final float[] saliency = heavyTailed(3);
    private final SaliencySummary summary = SaliencySummary.of(saliency, OUT, IN);

    @Test
    void theMostSalientWeightsHoldTheSumOfTheLargest() {
        List<Float> largestFirst = new ArrayList<>();
        for (float value : saliency) {
            largestFirst.add(value);
        }
        largestFirst.sort(Comparator.reverseOrder());
        double total = largestFirst.stream().mapToDouble(v -> v).sum();
        assertThat(summary.mean()).isCloseTo(total / 6000, within(ROUNDING));
        for (SaliencySummary.Share at : summary.concentration()) {
            long count = Math.max(1, Math.round(at.top() * 6000));
            double held = largestFirst.stream().limit(count).mapToDouble(v -> v).sum();
            assertThat(at.share()).as("top %s", at.top()).isCloseTo(held / total, within(ROUNDING));
        }
        assertThat(summary.concentration().getLast().share()).isCloseTo(1, within(ROUNDING));
        assertThat(summary.topOnePercent())
                .isCloseTo(largestFirst.stream().limit(60).mapToDouble(v -> v).sum() / total, within(ROUNDING));
    }

    @Test
    void rowsAndColumnsKeepTheLargestMeanOfTheirCell() {
        double mean = summary.mean();
        assertThat(summary.rows()).hasSize(OUT); // one cell a row
        for (int row = 0; row < OUT; row++) {
            assertThat(summary.rows().get(row)).isCloseTo(row(row) / IN / mean, within(0.0005 + ROUNDING));
        }
        assertThat(summary.columns()).hasSize(64);
        double largest = IntStream.range(0, IN).mapToDouble(this::column).max().orElseThrow();
        assertThat(summary.columns().stream().mapToDouble(v -> v).max().orElseThrow())
                .isCloseTo(largest / OUT / mean, within(0.0005 + ROUNDING));
    }

    @Test
    void theMostSalientChannelsAreNamed() {
        int[] rows = IntStream.range(0, OUT)
                .boxed()
                .sorted(Comparator.comparingDouble(r -> -row(r)))
                .mapToInt(r -> r)
                .toArray();
        assertThat(summary.topRows())
                .extracting(SaliencySummary.Channel::index)
                .containsExactly(rows[0], rows[1], rows[2]);
        assertThat(summary.topRows().getFirst().share())
                .isCloseTo(row(rows[0]) / (summary.mean() * 6000), within(ROUNDING));
    }

    @Test
    void nothingSalientIsNoDivisionByZero() {
        SaliencySummary none = SaliencySummary.of(new float[6], 2, 3);
        assertThat(none.topOnePercent()).isZero();
        assertThat(none.rows()).containsExactly(0.0, 0.0);
    }

    @Test
    void anotherShapeIsRejectedWithBothNumbers() {
        assertThatThrownBy(() -> SaliencySummary.of(new float[5], 2, 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("saliency: got 5 values, want [2, 3]");
    }

    private double row(int row) {
        return IntStream.range(0, IN).mapToDouble(c -> saliency[row * IN + c]).sum();
    }

    private double column(int column) {
        return IntStream.range(0, OUT)
                .mapToDouble(r -> saliency[r * IN + column])
                .sum();
    }

    private static float[] heavyTailed(long seed) {
        Random random = new Random(seed);
        float[] values = new float[OUT * IN];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) Math.exp(2 * random.nextGaussian());
        }
        return values;
    }
}
