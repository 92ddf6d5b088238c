package dev.salient.quantizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.method.Method.Start;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.PackedWeight;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** GPTQ against optimal brain surgery done literally: the inverse of what is left of H, anew for every column. */
class GptqTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int OUT = 5;
    private static final int IN = 64;
    private static final int TOKENS = 200;
    private static final double DAMPING = 0.01;

    static Stream<Arguments> cases() {
        return Stream.of(
                        new Grid.Signed2(16),
                        new Grid.Signed(4, 32),
                        new Grid.Affine(2, 32),
                        new Grid.Affine(3, 16),
                        new Grid.Affine(4, 0),
                        new Grid.Ternary(16),
                        new Grid.Binary(32))
                .flatMap(grid -> Stream.of(true, false)
                        .flatMap(actOrder -> Stream.of(1L, 2L).map(seed -> Arguments.of(grid, actOrder, seed))));
    }

    private final float[] weights = new float[OUT * IN];
    /** [TOKENS, IN]; neighbouring channels have much in common, channel 7 is always 0. */
    private final float[] inputs = new float[TOKENS * IN];

    private void fill(Random random) {
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) random.nextGaussian();
        }
        for (int t = 0; t < TOKENS; t++) {
            double common = 0;
            for (int i = 0; i < IN; i++) {
                common = 0.8 * common + random.nextGaussian();
                inputs[t * IN + i] = i == 7 ? 0 : (float) (common * (1 + i % 5));
            }
        }
    }

    private GroupAffine quantize(Method.Gptq method) {
        Tensor x = CPU.floats(inputs, TOKENS, IN).to(torch.ScalarType.Double);
        return (GroupAffine) Gptq.quantize(CPU.floats(weights, OUT, IN), x.t().mm(x), method, CPU);
    }

    @ParameterizedTest(name = "{0}, act-order {1}, seed {2}")
    @MethodSource("cases")
    void codesAreThoseOfOptimalBrainSurgery(Grid grid, boolean actOrder, long seed) {
        try (TorchScope scope = new TorchScope()) {
            fill(new Random(seed));
            GroupAffine got = quantize(new Method.Gptq(grid, Start.RANGE, DAMPING, actOrder));
            for (int o = 0; o < OUT; o++) {
                int[] want = new NaiveSurgery(grid, actOrder).codes(o);
                for (int i = 0; i < IN; i++) {
                    assertThat(got.code(o, i)).as("[%d, %d]", o, i).isEqualTo(want[i]);
                }
            }
        }
    }

    @ParameterizedTest(name = "{0}, act-order {1}, seed {2}")
    @MethodSource("cases")
    void outputsAreNearerThanWithRounding(Grid grid, boolean actOrder, long seed) {
        try (TorchScope scope = new TorchScope()) {
            fill(new Random(seed));
            Start start = Start.SQUARED_ERROR;
            PackedWeight rounded = RoundToNearest.quantize(CPU.floats(weights, OUT, IN), grid, start, CPU);
            GroupAffine got = quantize(new Method.Gptq(grid, start, DAMPING, actOrder));
            assertThat(outputError(got)).isLessThan(outputError(rounded));
        }
    }

    private double outputError(PackedWeight weight) {
        float[] row = new float[IN];
        double sum = 0;
        for (int o = 0; o < OUT; o++) {
            weight.decodeRow(o, row, 0);
            for (int t = 0; t < TOKENS; t++) {
                double off = 0;
                for (int i = 0; i < IN; i++) {
                    off += (row[i] - weights[o * IN + i]) * (double) inputs[t * IN + i];
                }
                sum += off * off;
            }
        }
        return sum;
    }

    /** In double, with nothing shared. */
    private final class NaiveSurgery {
        private final int n;
        private final int groupSize;
        private final boolean signed;
        private final boolean wide;
        private final boolean binary;
        private final boolean symmetric;
        private final boolean actOrder;
        private final double[][] h = new double[IN][IN];

        NaiveSurgery(Grid grid, boolean actOrder) {
            binary = grid instanceof Grid.Binary;
            symmetric = binary || grid instanceof Grid.Ternary;
            n = symmetric ? 2 : (int) Math.pow(2, grid.bits()) - 1;
            groupSize = grid.groupSize() == 0 ? IN : grid.groupSize();
            signed = grid instanceof Grid.Signed2 || grid instanceof Grid.Signed;
            wide = grid instanceof Grid.Signed;
            this.actOrder = actOrder;
            double trace = 0;
            for (int i = 0; i < IN; i++) {
                for (int j = 0; j < IN; j++) {
                    for (int t = 0; t < TOKENS; t++) {
                        h[i][j] += (double) inputs[t * IN + i] * inputs[t * IN + j];
                    }
                }
                trace += h[i][i];
            }
            for (int i = 0; i < IN; i++) {
                h[i][i] += DAMPING * trace / IN + (i == 7 ? 1 : 0);
            }
        }

        int[] codes(int row) {
            double[] w = new double[IN];
            for (int i = 0; i < IN; i++) {
                w[i] = i == 7 ? 0 : weights[row * IN + i];
            }
            double[] original = w.clone();
            double[] scale = new double[IN / groupSize];
            double[] zero = new double[scale.length];
            boolean[] fitted = new boolean[scale.length];
            boolean[] done = new boolean[IN];
            int[] codes = new int[IN];
            for (int step = 0; step < IN; step++) {
                int i = next(done);
                int g = i / groupSize;
                if (!fitted[g]) {
                    fit(actOrder ? original : w, g, scale, zero);
                    fitted[g] = true;
                }
                codes[i] = binary
                        ? (w[i] < 0 ? 0 : 2)
                        : (int) (Math.max(-zero[g], Math.min(n - zero[g], Math.rint(w[i] / scale[g]))) + zero[g]);
                double error = w[i] - scale[g] * (codes[i] - zero[g]);
                double[] column = inverseColumn(done, i);
                for (int j = 0; j < IN; j++) {
                    w[j] -= done[j] ? 0 : error * column[j] / column[i];
                }
                done[i] = true;
            }
            return codes;
        }

        private int next(boolean[] done) {
            int best = -1;
            for (int i = 0; i < IN; i++) {
                if (!done[i] && (best < 0 || (actOrder && h[i][i] - (i == 7 ? 1 : 0) > h[best][best]))) {
                    best = i;
                }
            }
            return best;
        }

        private void fit(double[] w, int g, double[] scale, double[] zero) {
            double max = 0;
            double min = 0;
            for (int i = g * groupSize; i < (g + 1) * groupSize; i++) {
                max = Math.max(max, w[i]);
                min = Math.min(min, w[i]);
            }
            if (symmetric) {
                max = Math.max(max, -min);
                min = -max;
            }
            if (wide) {
                double longSide = Math.max(max, -min);
                double shortSide = longSide * Math.floor(n / 2.0) / Math.ceil(n / 2.0);
                boolean upwards = max >= -min;
                max = upwards ? longSide : shortSide;
                min = upwards ? -shortSide : -longSide;
            }
            scale[g] = Float.float16ToFloat(Float.floatToFloat16((float) ((max - min) / n)));
            zero[g] = symmetric ? 1 : signed ? Math.floor(n / 2.0) + (max >= -min ? 0 : 1) : Math.rint(-min / scale[g]);
        }

        /** Column i of the inverse of H without the rows and columns that are done: solves H x = e_i by elimination. */
        private double[] inverseColumn(boolean[] done, int i) {
            double[][] a = new double[IN][IN + 1];
            for (int r = 0; r < IN; r++) {
                for (int c = 0; c < IN; c++) {
                    a[r][c] = done[r] || done[c] ? (r == c ? 1 : 0) : h[r][c];
                }
                a[r][IN] = r == i ? 1 : 0;
            }
            for (int p = 0; p < IN; p++) {
                for (int r = 0; r < IN; r++) {
                    double factor = r == p ? 0 : a[r][p] / a[p][p];
                    for (int c = p; factor != 0 && c <= IN; c++) {
                        a[r][c] -= factor * a[p][c];
                    }
                }
            }
            double[] x = new double[IN];
            for (int r = 0; r < IN; r++) {
                x[r] = a[r][IN] / a[r][r];
            }
            return x;
        }
    }
}
