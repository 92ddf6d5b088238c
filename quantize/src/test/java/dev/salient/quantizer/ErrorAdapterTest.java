package dev.salient.quantizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.method.Method.Start;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Against Eckart and Young: what is left of an error is all but its largest singular values, found here by Jacobi's turns. */
class ErrorAdapterTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final Grid GRID = new Grid.Signed2(32);
    private static final int OUT = 12;
    private static final int IN = 64;
    private static final int RANK = 3;

    private final float[] weights = new float[OUT * IN];
    private final float[] energy = new float[IN];

    ErrorAdapterTest() {
        Random random = new Random(8);
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) random.nextGaussian();
        }
        for (int i = 0; i < IN; i++) {
            energy[i] = (float) Math.exp(3 * random.nextGaussian());
        }
    }

    private LowRank quantize(int turns, boolean looksAtInputs) {
        try (TorchScope scope = new TorchScope()) {
            return (LowRank) ErrorAdapter.quantize(
                    CPU.floats(weights, OUT, IN),
                    looksAtInputs ? CPU.floats(energy, IN) : null,
                    new Method.ErrorAdapter(GRID, Start.SQUARED_ERROR, RANK, turns, looksAtInputs),
                    CPU);
        }
    }

    /** Rows of {@code (W - weight) S}. */
    private double[][] error(PackedWeight weight, double[] scale) {
        double[][] error = new double[OUT][IN];
        float[] row = new float[IN];
        for (int o = 0; o < OUT; o++) {
            weight.decodeRow(o, row, 0);
            for (int i = 0; i < IN; i++) {
                error[o][i] = (weights[o * IN + i] - row[i]) * scale[i];
            }
        }
        return error;
    }

    private static double squares(double[][] matrix) {
        return Arrays.stream(matrix)
                .flatMapToDouble(Arrays::stream)
                .map(x -> x * x)
                .sum();
    }

    /** All but the largest eigenvalues of E E^T, by Jacobi's method. */
    private static double rest(double[][] error) {
        double[][] a = new double[OUT][OUT];
        for (int i = 0; i < OUT; i++) {
            for (int j = 0; j < OUT; j++) {
                for (int k = 0; k < IN; k++) {
                    a[i][j] += error[i][k] * error[j][k];
                }
            }
        }
        for (int sweep = 0; sweep < 30; sweep++) {
            for (int p = 0; p < OUT; p++) {
                for (int q = p + 1; q < OUT; q++) {
                    double angle = 0.5 * Math.atan2(2 * a[p][q], a[q][q] - a[p][p]);
                    turn(a, p, q, Math.cos(angle), Math.sin(angle));
                }
            }
        }
        double[] values = new double[OUT];
        for (int i = 0; i < OUT; i++) {
            values[i] = a[i][i];
        }
        Arrays.sort(values);
        return Arrays.stream(values, 0, OUT - RANK).sum();
    }

    private static void turn(double[][] a, int p, int q, double cos, double sin) {
        for (int k = 0; k < OUT; k++) {
            double x = a[k][p];
            double y = a[k][q];
            a[k][p] = cos * x - sin * y;
            a[k][q] = sin * x + cos * y;
        }
        for (int k = 0; k < OUT; k++) {
            double x = a[p][k];
            double y = a[q][k];
            a[p][k] = cos * x - sin * y;
            a[q][k] = sin * x + cos * y;
        }
    }

    /** By how much fp16 can change {@code B A S}: each number of A and B by 2^-11 of it, and a little for fp32's own sums. */
    private static double roundingOf(LowRank adapted, double[] scale) {
        double a = 0;
        double b = 0;
        for (int r = 0; r < RANK; r++) {
            for (int i = 0; i < IN; i++) {
                a += Math.pow(adapted.a().get((long) r * IN + i) * scale[i], 2);
            }
            for (int o = 0; o < OUT; o++) {
                b += Math.pow(adapted.b().get((long) o * RANK + r), 2);
            }
        }
        return 1.01 * 0x1p-10 * Math.sqrt(a * b);
    }

    private static double[] ones() {
        double[] ones = new double[IN];
        Arrays.fill(ones, 1);
        return ones;
    }

    @Test
    void loftqLeavesWhatNoAdapterOfThatRankCouldTake() {
        LowRank got = quantize(1, false);
        double want = rest(error(got.base(), ones()));
        assertThat(Math.sqrt(squares(error(got, ones())))).isCloseTo(Math.sqrt(want), within(roundingOf(got, ones())));
    }

    @Test
    void lqerLeavesLeastWhereInputsCarryMost() {
        double[] scale = new double[IN];
        for (int i = 0; i < IN; i++) {
            scale[i] = Math.sqrt(energy[i]);
        }
        LowRank got = quantize(1, true);
        double want = rest(error(got.base(), scale));
        assertThat(Math.sqrt(squares(error(got, scale)))).isCloseTo(Math.sqrt(want), within(roundingOf(got, scale)));
        assertThat(squares(error(got, scale))).isLessThan(squares(error(quantize(1, false), scale)));
    }

    @Test
    void moreTurnsLeaveLess() {
        assertThat(squares(error(quantize(5, false), ones()))).isLessThan(squares(error(quantize(1, false), ones())));
    }
}
