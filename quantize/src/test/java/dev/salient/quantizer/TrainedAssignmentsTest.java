package dev.salient.quantizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.packed.GroupAffine;
import dev.salient.torch.Lion;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** GSQ's linear against its formula, one weight at a time in double, gradients by differences. */
class TrainedAssignmentsTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int OUT = 3;
    private static final int IN = 32;
    private static final int COUNT = OUT * IN;

    private final Random random = new Random(6);

    static Stream<Grid> grids() {
        return Stream.of(new Grid.Signed2(16), new Grid.Ternary(16), new Grid.Binary(8), new Grid.Affine(2, 16));
    }

    private float[] gaussians(int count, double size) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (size * random.nextGaussian());
        }
        return values;
    }

    private GroupAffine rounded(Grid grid) {
        Tensor weight = CPU.floats(gaussians(COUNT, 0.1), OUT, IN);
        return (GroupAffine) RoundToNearest.quantize(weight, grid, Start.SQUARED_ERROR, CPU);
    }

    private static int[] codes(Grid grid) {
        return switch (grid) {
            case Grid.Binary binary -> new int[] {0, 2};
            case Grid.Ternary ternary -> new int[] {0, 1, 2};
            default -> new int[] {0, 1, 2, 3};
        };
    }

    /** The value of weight i from its own logits and noise. */
    private static double value(int[] codes, double[] logits, double[] noise, double[] scaleAndZero) {
        double sum = 0;
        double level = 0;
        for (int k = 0; k < codes.length; k++) {
            double e = Math.exp((120 * logits[k] + noise[k]) / 0.7);
            sum += e;
            level += e * codes[k];
        }
        return scaleAndZero[0] * (level / sum - scaleAndZero[1]);
    }

    @ParameterizedTest
    @MethodSource("grids")
    void valuesAndGradientsAreThoseOfTheFormula(Grid grid) {
        int[] codes = codes(grid);
        try (TorchScope scope = new TorchScope()) {
            GroupAffine start = rounded(grid);
            TrainedAssignments own = new TrainedAssignments(start, grid, CPU);
            int groups = start.groupsPerRow();
            float[] logits = gaussians(codes.length * COUNT, 0.01);
            float[] noise = gaussians(codes.length * COUNT, 1);
            float[] logs = gaussians(OUT * groups, 0.1);
            float[] gradient = gaussians(COUNT, 1);
            own.logits.copy_(CPU.floats(logits, codes.length, OUT, groups, start.groupSize()));
            own.logs.copy_(CPU.floats(logs, OUT, groups, 1));
            own.soften(CPU.floats(noise, codes.length, OUT, groups, start.groupSize()), 120, 0.7);
            own.values.mul(CPU.floats(gradient, OUT, IN)).sum().backward();
            float[] values = TorchDevice.toFloats(own.values);
            List<Tensor> gradients = own.gradients();
            float[] byLogits = TorchDevice.toFloats(gradients.get(0));
            float[] byLogs = TorchDevice.toFloats(gradients.get(1));
            double[] wantByLogs = new double[OUT * groups];
            for (int i = 0; i < COUNT; i++) {
                int group = i / start.groupSize();
                double scale = start.scale(i / IN, group % groups) * Math.exp(logs[group]);
                double[] scaleAndZero = {scale, start.zero(i / IN, group % groups)};
                double[] l = new double[codes.length];
                double[] n = new double[codes.length];
                for (int k = 0; k < codes.length; k++) {
                    l[k] = logits[k * COUNT + i];
                    n[k] = noise[k * COUNT + i];
                }
                double want = value(codes, l, n, scaleAndZero);
                assertThat((double) values[i]).isCloseTo(want, within(2e-6));
                wantByLogs[group] += gradient[i] * want;
                for (int k = 0; k < codes.length; k++) {
                    double step = 1e-6;
                    l[k] += step;
                    double up = value(codes, l, n, scaleAndZero);
                    l[k] -= 2 * step;
                    double slope = gradient[i] * (up - value(codes, l, n, scaleAndZero)) / (2 * step);
                    l[k] += step;
                    // fp32 exponents of up to about 10 err by 1e-6 of what they give; slopes are up to 100
                    assertThat((double) byLogits[k * COUNT + i]).isCloseTo(slope, within(1e-3));
                }
            }
            for (int g = 0; g < wantByLogs.length; g++) {
                assertThat((double) byLogs[g]).isCloseTo(wantByLogs[g], within(1e-4));
            }
            own.forget();
        }
    }

    @ParameterizedTest
    @MethodSource("grids")
    void whatIsNotTrainedIsStoredAsItBegan(Grid grid) {
        try (TorchScope scope = new TorchScope()) {
            org.bytedeco.pytorch.global.torch.manual_seed(3);
            GroupAffine start = rounded(grid);
            GroupAffine got = new TrainedAssignments(start, grid, CPU).pack();
            int moved = 0;
            for (int i = 0; i < COUNT; i++) {
                moved += got.code(i / IN, i % IN) == start.code(i / IN, i % IN) ? 0 : 1;
                assertThat(got.scale(i / IN, i % IN / start.groupSize()))
                        .isEqualTo(start.scale(i / IN, i % IN / start.groupSize()));
            }
            // the start's noise stands against a lead of 3 deviations or more: one in sixty for each neighbour
            assertThat(moved).isLessThan(COUNT / 10);
        }
    }

    @Test
    void likeliestCodesAndMovedScalesAreStored() {
        Grid grid = new Grid.Ternary(16);
        try (TorchScope scope = new TorchScope()) {
            GroupAffine start = rounded(grid);
            TrainedAssignments own = new TrainedAssignments(start, grid, CPU);
            float[] logits = gaussians(3 * COUNT, 1);
            own.logits.copy_(CPU.floats(logits, 3, OUT, 2, 16));
            own.logs.fill_(new org.bytedeco.pytorch.Scalar(Math.log(2)));
            GroupAffine got = own.pack();
            for (int i = 0; i < COUNT; i++) {
                int want = 0;
                for (int k = 1; k < 3; k++) {
                    want = logits[k * COUNT + i] > logits[want * COUNT + i] ? k : want;
                }
                assertThat(got.code(i / IN, i % IN)).isEqualTo(want);
                float scale = start.scale(i / IN, i % IN / 16);
                assertThat(got.scale(i / IN, i % IN / 16)).isCloseTo(2 * scale, within(scale / 512));
            }
        }
    }

    @Test
    void lionStepsAreThoseOfItsPaper() {
        double[] p = {1, -2, 3};
        double[] m = new double[3];
        try (TorchScope scope = new TorchScope();
                Lion lion = new Lion()) {
            Tensor value = CPU.floats(new float[] {1, -2, 3}, 3);
            lion.add(value, 1);
            for (int step = 0; step < 20; step++) {
                float[] g = gaussians(3, 1);
                lion.step(List.of(CPU.floats(g, 3)), 7, 0.125);
                for (int i = 0; i < 3; i++) {
                    p[i] -= 0.125 * Math.signum(0.9 * m[i] + 0.1 * g[i]);
                    m[i] = 0.99 * m[i] + 0.01 * g[i];
                    assertThat((double) TorchDevice.toFloats(value)[i]).isEqualTo(p[i]);
                }
            }
        }
    }
}
