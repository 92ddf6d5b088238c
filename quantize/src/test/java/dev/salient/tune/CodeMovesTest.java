package dev.salient.tune;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.method.Tuning.CodeSteps;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The V step against the algorithm written out in double. */
class CodeMovesTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int OUT = 4;
    private static final int GROUPS = 3;
    private static final int SIZE = 16;
    private static final int COUNT = OUT * GROUPS * SIZE;

    static Stream<Arguments> cases() {
        return Stream.of(
                        new CodeSteps(0.6, 0.05, 10, 1),
                        new CodeSteps(0.6, 1, 0.1, 1),
                        new CodeSteps(0.2, 0.1, 0.2, 0),
                        new CodeSteps(0.3, 0.02, 0.05, 0.5),
                        new CodeSteps(0.7, 0.001, 1e-6, 1))
                .flatMap(steps ->
                        Stream.of(Arguments.of(steps, 3, 1), Arguments.of(steps, 7, 1), Arguments.of(steps, 2, 2)));
    }

    @ParameterizedTest(name = "{0}, codes to {1} by {2}")
    @MethodSource("cases")
    void codesMoveAsInTheAlgorithm(CodeSteps settings, int largest, int spacing) {
        Random random = new Random(largest);
        float[] zeros = new float[OUT * GROUPS];
        float[] scales = new float[zeros.length];
        float[] levels = new float[COUNT];
        for (int g = 0; g < zeros.length; g++) {
            zeros[g] = random.nextInt(largest + 1);
            scales[g] = (random.nextBoolean() ? 1 : -1) * random.nextFloat(0.05f, 0.2f);
            for (int i = g * SIZE; i < (g + 1) * SIZE; i++) {
                levels[i] = spacing * random.nextInt(largest / spacing + 1) - zeros[g];
            }
        }
        Naive naive = new Naive(levels, zeros, scales, largest, spacing, settings);
        try (TorchScope scope = new TorchScope()) {
            Tensor moved = CPU.floats(levels, OUT, GROUPS, SIZE);
            CodeMoves moves = new CodeMoves(moved, CPU.floats(zeros, OUT, GROUPS, 1), largest, spacing, settings, null);
            int changed = 0;
            for (int step = 1; step <= 8; step++) {
                float[] gradient = new float[COUNT];
                for (int i = 0; i < COUNT; i++) {
                    gradient[i] = (float) random.nextGaussian();
                }
                double rate = step == 1 ? 0 : settings.rate(); // the first direction is 1 or -1: nothing but ties
                changed += naive.step(gradient, step, rate);
                moves.step(CPU.floats(gradient, OUT, GROUPS, SIZE), CPU.floats(scales, OUT, GROUPS, 1), rate);
                float[] got = TorchDevice.toFloats(moved);
                for (int i = 0; i < COUNT; i++) {
                    assertThat((double) got[i]).as("step %d, code %d", step, i).isEqualTo(naive.level[i]);
                }
            }
            assertThat(changed).isPositive();
        }
    }

    /** Half a step to either side at most, and only what is remembered of it. */
    @Test
    void codesStartTowardsWhatIsWantedButStay() {
        try (TorchScope scope = new TorchScope()) {
            Tensor levels = CPU.floats(new float[] {0, 1, -1, 2}, 1, 1, 4);
            CodeMoves moves = new CodeMoves(
                    levels, CPU.floats(new float[] {1}, 1, 1, 1), 3, 1, new CodeSteps(0.1, 1, 1, 0.5), null);
            moves.startTowards(CPU.floats(new float[] {0.25f, 3, -4, 1.75f}, 1, 1, 4));
            assertThat(TorchDevice.toFloats(moves.carried())).containsExactly(0.125f, 0.245f, -0.245f, -0.125f);
            assertThat(TorchDevice.toFloats(levels)).containsExactly(0, 1, -1, 2);
        }
    }

    /** Each code goes up or down by the same draws as in the formula, and on average it goes where it was carried. */
    @ParameterizedTest(name = "codes to {0} by {1}")
    @CsvSource({"3, 1", "2, 1", "2, 2"})
    void stochasticRoundingGoesToTheLevelsAround(int largest, int spacing) {
        Random random = new Random(17);
        Chance chance = new Chance(5, CPU);
        double rate = 0.3;
        float[] levels = new float[COUNT];
        for (int i = 0; i < COUNT; i++) {
            levels[i] = spacing * random.nextInt(largest / spacing + 1) - 1;
        }
        try (TorchScope scope = new TorchScope()) {
            Tensor moved = CPU.floats(levels, OUT, GROUPS, SIZE);
            Tensor ones = CPU.floats(filled(OUT * GROUPS), OUT, GROUPS, 1);
            CodeMoves moves = new CodeMoves(moved, ones, largest, spacing, new CodeSteps(rate, 1, 1, 1), chance);
            double[] square = new double[COUNT];
            for (int step = 1; step <= 5; step++) {
                float[] gradient = new float[COUNT];
                for (int i = 0; i < COUNT; i++) {
                    gradient[i] = (float) random.nextGaussian();
                }
                moves.step(CPU.floats(gradient, OUT, GROUPS, SIZE), ones, rate);
                float[] draws = TorchDevice.toFloats(chance.draw(step, COUNT));
                for (int i = 0; i < COUNT; i++) {
                    square[i] = 0.95 * square[i] + 0.05 * gradient[i] * gradient[i];
                    double u = -rate * gradient[i] / Math.sqrt(square[i] / (1 - Math.pow(0.95, step)));
                    double at = (levels[i] + 1) / spacing + u;
                    double part = at - Math.floor(at);
                    if (Math.abs(part - (1 - draws[i])) > 1e-4) { // else rounding decides
                        double to = Math.floor(at) + (draws[i] >= 1 - part ? 1 : 0);
                        double want = Math.max(0, Math.min(largest, spacing * to)) - 1;
                        assertThat((double) TorchDevice.toFloats(moved)[i]).isEqualTo(want);
                    }
                }
                levels = TorchDevice.toFloats(moved);
            }
            assertThat(TorchDevice.toFloats(moves.carried())).containsOnly(0);
        }
    }

    private static float[] filled(int count) {
        float[] ones = new float[count];
        Arrays.fill(ones, 1);
        return ones;
    }

    private static final class Naive {
        private final double[] level;
        private final float[] zeros;
        private final float[] scales;
        private final int largest;
        private final int spacing;
        private final CodeSteps settings;
        private final double[] square = new double[COUNT];
        private final double[] carried = new double[COUNT];

        Naive(float[] levels, float[] zeros, float[] scales, int largest, int spacing, CodeSteps settings) {
            this.level = IntStream.range(0, COUNT).mapToDouble(i -> levels[i]).toArray();
            this.zeros = zeros;
            this.scales = scales;
            this.largest = largest;
            this.spacing = spacing;
            this.settings = settings;
        }

        int step(float[] gradient, int step, double rate) {
            double[] wanted = new double[COUNT];
            List<Integer> movers = new ArrayList<>();
            double norm = 0;
            for (int i = 0; i < COUNT; i++) {
                int g = i / SIZE;
                square[i] = 0.95 * square[i] + 0.05 * gradient[i] * gradient[i];
                double direction = gradient[i] / (Math.sqrt(square[i] / (1 - Math.pow(0.95, step))) + 1e-12);
                carried[i] -= rate * spacing * Math.signum(scales[g]) * direction;
                double from = level[i] + carried[i] + zeros[g];
                double nearest = Math.rint(from / spacing) * spacing - zeros[g];
                wanted[i] = Math.max(-zeros[g], Math.min(largest - zeros[g], nearest));
                if (wanted[i] != level[i]) {
                    movers.add(i);
                }
                norm += Math.pow(scales[g] * level[i], 2);
            }
            movers.sort(Comparator.comparingDouble(i -> -Math.abs(carried[i])));
            long most = Math.max(1, Math.round(settings.share() * COUNT));
            double sum = 0;
            int taken = 0;
            for (int i : movers) {
                sum += Math.pow(scales[i / SIZE] * (wanted[i] - level[i]), 2);
                if (taken == most || (taken > 0 && Math.sqrt(sum) > settings.trust() * Math.sqrt(norm))) {
                    break;
                }
                carried[i] -= wanted[i] - level[i];
                level[i] = wanted[i];
                taken++;
            }
            for (int i = 0; i < COUNT; i++) {
                double low = -zeros[i / SIZE] - level[i] - 0.5 * spacing;
                double high = largest - zeros[i / SIZE] - level[i] + 0.5 * spacing;
                carried[i] = (1 - settings.decay()) * Math.max(low, Math.min(high, carried[i]));
            }
            return taken;
        }
    }
}
