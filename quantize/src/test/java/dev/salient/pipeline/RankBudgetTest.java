package dev.salient.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.packed.PackedWeight;
import dev.salient.pipeline.RankBudget.Step;
import dev.salient.quantizer.RoundToNearest;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RankBudgetTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final Grid GRID = new Grid.Signed2(32);

    /** Eigenvalues of a symmetric matrix by Jacobi's turns, in double, largest first. */
    private static double[] eigenvalues(double[][] a) {
        int n = a.length;
        for (int turn = 0; turn < 60; turn++) {
            for (int p = 0; p < n; p++) {
                for (int q = p + 1; q < n; q++) {
                    double angle = 0.5 * Math.atan2(2 * a[p][q], a[q][q] - a[p][p]);
                    double c = Math.cos(angle);
                    double s = Math.sin(angle);
                    for (int k = 0; k < n; k++) {
                        double x = a[k][p];
                        a[k][p] = c * x - s * a[k][q];
                        a[k][q] = s * x + c * a[k][q];
                    }
                    for (int k = 0; k < n; k++) {
                        double x = a[p][k];
                        a[p][k] = c * x - s * a[q][k];
                        a[q][k] = s * x + c * a[q][k];
                    }
                }
            }
        }
        double[] values = new double[n];
        for (int i = 0; i < n; i++) {
            values[i] = -a[i][i];
        }
        Arrays.sort(values);
        return Arrays.stream(values).map(value -> -value).toArray();
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void gainsAreThoseOfTheFormula(long seed) {
        int out = 5;
        int in = 64;
        Random random = new Random(seed);
        float[] weight = new float[out * in];
        float[] fisher = new float[out * in];
        for (int i = 0; i < weight.length; i++) {
            weight[i] = (float) random.nextGaussian();
            fisher[i] = random.nextFloat() * (1 + i % in) * (1 + i / in);
        }
        double[] rows = new double[out];
        double[] columns = new double[in];
        double mean = 0;
        for (int i = 0; i < fisher.length; i++) {
            rows[i / in] += fisher[i] / in;
            columns[i % in] += fisher[i] / out;
            mean += fisher[i] / (double) fisher.length;
        }
        try (TorchScope scope = new TorchScope()) {
            Tensor stored = CPU.floats(weight, out, in);
            PackedWeight rounded = RoundToNearest.quantize(stored, GRID, Start.SQUARED_ERROR, CPU);
            double[][] weighed = new double[out][in];
            for (int o = 0; o < out; o++) {
                float[] row = new float[in];
                rounded.decodeRow(o, row, 0);
                for (int i = 0; i < in; i++) {
                    weighed[o][i] = (row[i] - weight[o * in + i]) * Math.sqrt(rows[o] * columns[i] / mean);
                }
            }
            double[][] gram = new double[out][out];
            for (int o = 0; o < out; o++) {
                for (int p = 0; p < out; p++) {
                    for (int i = 0; i < in; i++) {
                        gram[o][p] += weighed[o][i] * weighed[p][i];
                    }
                }
            }
            double[] want = eigenvalues(gram);
            double[] got = RankBudget.gains(stored, CPU.floats(fisher, out, in), GRID, CPU);
            assertThat(got).hasSize(out);
            for (int r = 0; r < out; r++) {
                assertThat(got[r]).isCloseTo(want[r] / 2, within(1e-4 * want[0]));
            }
        }
    }

    /** What is worth most for each bit, of all steps of all linears sorted at once, as long as the budget lasts. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void ranksGoWhereTheyLowerTheLossMost(long seed) {
        Random random = new Random(seed);
        Map<LinearId, List<Step>> steps = new HashMap<>();
        record Flat(LinearId id, double rate) {}
        List<Flat> all = new ArrayList<>();
        for (int block = 0; block < 3; block++) {
            for (Linear linear : Linear.values()) {
                LinearId id = new LinearId(block, linear);
                double gain = 10 * random.nextDouble();
                List<Step> own = new ArrayList<>();
                for (int r = 0; r < 6; r++) {
                    own.add(new Step(gain, 100));
                    all.add(new Flat(id, gain / 100));
                    gain *= random.nextDouble();
                }
                steps.put(id, own);
            }
        }
        all.sort((a, b) -> Double.compare(b.rate, a.rate));
        Map<LinearId, Integer> want = new HashMap<>();
        steps.keySet().forEach(id -> want.put(id, 0));
        all.subList(0, 40).forEach(step -> want.merge(step.id, 1, Integer::sum));
        assertThat(RankBudget.spend(steps, 4050)).isEqualTo(want);
        assertThat(RankBudget.spend(steps, 99).values()).containsOnly(0);
        assertThat(RankBudget.spend(steps, 1e9).values()).containsOnly(6);
    }

    /** A linear that is too dear for what is left lets a smaller one have it. */
    @Test
    void whatIsLeftGoesToWhatItStillBuys() {
        LinearId up = new LinearId(0, Linear.UP);
        LinearId k = new LinearId(0, Linear.K);
        Map<LinearId, List<Step>> steps = Map.of(
                up, List.of(new Step(100, 50), new Step(90, 50)), k, List.of(new Step(1, 10), new Step(0.5, 10)));
        assertThat(RankBudget.spend(steps, 95)).isEqualTo(Map.of(up, 1, k, 2));
    }
}
