package dev.salient.fakequant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.packed.GroupAffine;
import dev.salient.quantizer.RoundToNearest;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Rounding to ternary and binary groups against a scan of all scales. */
class SymmetricFitTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int OUT = 4;
    private static final int IN = 64;

    static Stream<Arguments> cases() {
        return Stream.of(new Grid.Ternary(32), new Grid.Ternary(0), new Grid.Binary(16), new Grid.Binary(64))
                .flatMap(grid -> Stream.of(1L, 2L, 3L).map(seed -> Arguments.of(grid, seed)));
    }

    @ParameterizedTest(name = "{0}, seed {1}")
    @MethodSource("cases")
    void noScaleLeavesLessError(Grid grid, long seed) {
        Random random = new Random(seed);
        float[] weights = new float[OUT * IN];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) (0.1 * random.nextGaussian() * (random.nextInt(10) == 0 ? 3 : 1));
        }
        try (TorchScope scope = new TorchScope()) {
            GroupAffine got =
                    (GroupAffine) RoundToNearest.quantize(CPU.floats(weights, OUT, IN), grid, Start.SQUARED_ERROR, CPU);
            int size = got.groupSize();
            boolean signs = grid instanceof Grid.Binary;
            assertThat(got.levels()).isEqualTo(signs ? GroupAffine.Levels.SIGNS : GroupAffine.Levels.TERNARY);
            for (int row = 0; row < OUT; row++) {
                for (int g = 0; g < got.groupsPerRow(); g++) {
                    double best = 0;
                    double least = Double.POSITIVE_INFINITY;
                    for (double d = 0; d < 1.5; d += 1e-5) {
                        double error = error(weights, row * IN + g * size, size, d, signs);
                        best = error < least ? d : best;
                        least = Math.min(error, least);
                    }
                    // what a scan's step and fp16 leave; the error is flat where it is least
                    double own = error(weights, row * IN + g * size, size, got.scale(row, g), signs);
                    assertThat(own).isCloseTo(least, within(size * Math.pow(1e-5 + best * 0x1p-11, 2)));
                    for (int i = g * size; i < (g + 1) * size; i++) {
                        double want = level(weights[row * IN + i], got.scale(row, g), signs);
                        assertThat(got.code(row, i) - 1.0).isEqualTo(want);
                    }
                }
            }
        }
    }

    private static double level(double w, double d, boolean signs) {
        return signs || Math.abs(w) > d / 2 ? (w < 0 ? -1 : 1) : 0;
    }

    private static double error(float[] w, int from, int size, double d, boolean signs) {
        double sum = 0;
        for (int i = from; i < from + size; i++) {
            sum += Math.pow(w[i] - d * level(w[i], d, signs), 2);
        }
        return sum;
    }

    @Test
    void aGroupOfOneSignOrOfNothingIsHeldToo() {
        assertThat(SymmetricFit.share(new float[] {1, 2, 3, 2}, 0, 4, new Grid.Binary(4)))
                .isEqualTo(2f / 3);
        assertThat(SymmetricFit.share(new float[] {-3, 0, 0, 0}, 0, 4, new Grid.Ternary(4)))
                .isEqualTo(1);
        assertThat(SymmetricFit.share(new float[4], 0, 4, new Grid.Ternary(4))).isEqualTo(1);
    }
}
