package dev.salient.quantizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.fakequant.GroupFit;
import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.method.Method.Start;
import dev.salient.packed.GroupAffine;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Against the alternation written out once more, on groups with outliers. */
class HqqTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int OUT = 8;
    private static final int IN = 64;

    static Stream<Arguments> cases() {
        return Stream.of(
                        new Grid.Signed2(32),
                        new Grid.Signed(4, 32),
                        new Grid.Affine(2, 64),
                        new Grid.Affine(3, 16),
                        new Grid.Affine(4, 0),
                        new Grid.Ternary(32))
                .flatMap(grid -> Stream.of(Start.values()).map(start -> Arguments.of(grid, start)));
    }

    private static float[] weights() {
        Random random = new Random(4);
        float[] weights = new float[OUT * IN];
        for (int i = 0; i < weights.length; i++) {
            double outlier = random.nextInt(20) == 0 ? 4 : 1;
            weights[i] = (float) (0.1 * outlier * random.nextGaussian());
        }
        return weights;
    }

    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("cases")
    void scalesAreThoseOfTheAlternation(Grid grid, Start start) {
        float[] w = weights();
        try (TorchScope scope = new TorchScope()) {
            GroupAffine got = (GroupAffine) Hqq.quantize(CPU.floats(w, OUT, IN), new Method.Hqq(grid, start));
            int n = grid instanceof Grid.Ternary ? 2 : (1 << grid.bits()) - 1;
            for (int row = 0; row < OUT; row++) {
                for (int g = 0; g < got.groupsPerRow(); g++) {
                    int from = row * IN + g * got.groupSize();
                    GroupFit begun = GroupFit.of(w, from, got.groupSize(), grid, start);
                    double zero = begun.zero();
                    double best = begun.scale();
                    double d = best;
                    double least = error(w, row, g, got.groupSize(), d, zero, n);
                    double beta = 10;
                    for (int step = 0; step < 20; step++, beta *= 1.01) {
                        double up = 0;
                        double down = 0;
                        for (int i = g * got.groupSize(); i < (g + 1) * got.groupSize(); i++) {
                            double x = w[row * IN + i];
                            double level = level(x, d, zero, n);
                            double off = x - d * level;
                            double e = off == 0
                                    ? 0
                                    : Math.signum(off)
                                            * Math.max(0, Math.abs(off) - Math.pow(Math.abs(off), -0.3) / beta);
                            up += (x - e) * level;
                            down += level * level;
                        }
                        d = Float.float16ToFloat(Float.floatToFloat16((float) (up / down)));
                        double error = error(w, row, g, got.groupSize(), d, zero, n);
                        if (!(d > 0) || error >= least) {
                            break;
                        }
                        least = error;
                        best = d;
                    }
                    // sums of two orders may round to neighbours in fp16
                    assertThat((double) got.scale(row, g)).isCloseTo(best, within(best * 0x1p-10));
                    assertThat((float) got.zero(row, g)).isEqualTo(begun.zero());
                }
            }
        }
    }

    private static double level(double x, double d, double zero, int n) {
        float ratio = (float) x / (float) d; // a code is decided in fp32, and one code leads to other scales
        return Math.rint(Math.max(-zero, Math.min(n - zero, ratio)));
    }

    private static double error(float[] w, int row, int g, int size, double d, double zero, int n) {
        double sum = 0;
        for (int i = g * size; i < (g + 1) * size; i++) {
            double x = w[row * IN + i];
            sum += Math.pow(Math.abs(x - d * level(x, d, zero, n)), 0.7);
        }
        return sum;
    }

    @Test
    void smallErrorsShrinkToNothingAndLargeOnesKeepTheirSign() {
        assertThat(Hqq.shrink(0, 10)).isZero();
        assertThat(Hqq.shrink(0.01, 10)).isZero();
        assertThat(Hqq.shrink(2, 10)).isCloseTo(2 - Math.pow(2, -0.3) / 10, within(1e-12));
        assertThat(Hqq.shrink(-2, 10)).isEqualTo(-Hqq.shrink(2, 10));
    }
}
