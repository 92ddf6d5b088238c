package dev.salient.packed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LowRankTest {
    private static final int OUT = 5;
    private static final int IN = 7;
    private static final int RANK = 2;

    private final Random random = new Random(1);
    private final float[] w = numbers(OUT * IN);
    private final float[] a = numbers(RANK * IN);
    private final float[] b = numbers(OUT * RANK);
    private final float[] m = numbers(OUT);

    private float[] numbers(int count) {
        float[] numbers = new float[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = (float) random.nextGaussian();
        }
        return numbers;
    }

    private LowRank adapted(Tensor magnitude) {
        return new LowRank(
                Dense.ofFloats(OUT, IN, w),
                Tensor.ofFloats(Shape.of(RANK, IN), a),
                Tensor.ofFloats(Shape.of(OUT, RANK), b),
                0.5f,
                magnitude);
    }

    /** DoRA's formula in doubles: {@code m_o (w + s b a)_oi / sqrt(sum_j (w + s b a)_oj^2)}. */
    private double value(int row, int column) {
        double squares = 0;
        double own = 0;
        for (int i = 0; i < IN; i++) {
            double v = w[row * IN + i];
            for (int r = 0; r < RANK; r++) {
                v += 0.5 * b[row * RANK + r] * a[r * IN + i];
            }
            squares += v * v;
            own = i == column ? v : own;
        }
        return m[row] * own / Math.sqrt(squares);
    }

    @Test
    void rowsHaveTheLengthsOfTheirMagnitudes() {
        LowRank dora = adapted(Tensor.ofFloats(Shape.of(OUT), m));
        float[] values = new float[IN];
        for (int row = 0; row < OUT; row++) {
            dora.decodeRow(row, values, 0);
            double largest = 0; // of what is added up: each of its few roundings is of that size at most
            for (int i = 0; i < IN; i++) {
                largest = Math.max(largest, Math.abs(w[row * IN + i]) + 10);
            }
            double bound = (2 * RANK + 3) * Math.ulp((float) largest) * Math.max(1, Math.abs(dora.stretches()[row]));
            for (int i = 0; i < IN; i++) {
                assertThat((double) values[i]).isCloseTo(value(row, i), within(bound));
            }
        }
    }

    @Test
    void rowOfZerosStaysOne() {
        LowRank dora = new LowRank(
                Dense.ofFloats(1, 2, new float[2]),
                Tensor.ofFloats(Shape.of(1, 2), new float[2]),
                Tensor.ofFloats(Shape.of(1, 1), new float[1]),
                1,
                Tensor.ofFloats(Shape.of(1), new float[] {3}));
        float[] values = {7, 7};
        dora.decodeRow(0, values, 0);
        assertThat(values).containsExactly(0, 0);
        assertThat(dora.stretches()).containsExactly(0);
    }

    @Test
    void magnitudesAreForTheRows() {
        assertThatThrownBy(() -> adapted(Tensor.ofFloats(Shape.of(2), new float[2])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("adapter magnitude: got [2], want [5]");
    }
}
