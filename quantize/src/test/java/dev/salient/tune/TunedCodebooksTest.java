package dev.salient.tune;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.method.Tuning;
import dev.salient.method.Tuning.CodeSteps;
import dev.salient.method.Tuning.Moves;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.tensor.Shape;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import dev.salient.tune.TunedWeight.Rates;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The V step of codebooks against the algorithm written out in double, one group at a time. */
class TunedCodebooksTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int OUT = 6;
    private static final int IN = 32;

    static Stream<Arguments> cases() {
        return Stream.of(
                        new CodeSteps(0.3, 0.2, 10, 1),
                        new CodeSteps(0.2, 1, 0.2, 0),
                        new CodeSteps(0.1, 0.1, 0.1, 0.5),
                        new CodeSteps(0.5, 0.001, 1e-6, 0))
                .flatMap(steps -> Stream.of(Shape.of(1, 16, 4), Shape.of(2, 8, 8), Shape.of(3, 4, 4))
                        .map(shape -> Arguments.of(steps, shape)));
    }

    private final Random random = new Random(11);

    private float[] gaussians(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = Float.float16ToFloat(Float.floatToFloat16((float) random.nextGaussian()));
        }
        return values;
    }

    private AdditiveCodebook stored(Shape shape) {
        int count = shape.dimension(0);
        int[] codes = new int[OUT * IN / shape.dimension(2) * count];
        Arrays.setAll(codes, i -> random.nextInt(shape.dimension(1)));
        float[] scales = gaussians(OUT); // of either sign
        return AdditiveCodebook.of(shape, codes, gaussians(count * shape.dimension(1) * shape.dimension(2)), scales);
    }

    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("cases")
    void codesMoveAsInTheAlgorithm(CodeSteps settings, Shape shape) {
        AdditiveCodebook stored = stored(shape);
        float[] original = gaussians(OUT * IN);
        Tuning tuning = new Tuning(Moves.CODES, 1, 1, 0, 0, 0, 0, 0, settings, Tuning.Pull.NONE);
        Naive naive = new Naive(stored, settings);
        if (settings.decay() < 1) {
            naive.startTowards(original);
        }
        int changed = 0;
        try (TorchScope scope = new TorchScope();
                TunedWeight tuned = new TunedCodebooks(stored, CPU.floats(original, OUT, IN), tuning, null, CPU)) {
            for (int step = 1; step <= 12; step++) {
                float[] gradient = gaussians(OUT * IN);
                double rate = step == 1 ? 1e-9 : settings.rate(); // the first direction is 1 or -1: nothing but ties
                changed += naive.step(gradient, step, rate);
                tuned.values().mul(CPU.floats(gradient, OUT, IN)).sum().backward();
                tuned.step(new Rates(0, 0, 0, 0, rate));
                AdditiveCodebook got = (AdditiveCodebook) tuned.pack();
                for (int n = 0; n < naive.codes.length; n++) {
                    for (int m = 0; m < naive.count; m++) {
                        assertThat(got.code(n / got.groupsPerRow(), n % got.groupsPerRow(), m))
                                .as("step %d, group %d, codebook %d", step, n, m)
                                .isEqualTo(naive.codes[n][m]);
                    }
                }
            }
        }
        assertThat(changed).isPositive();
    }

    /** One codebook a step; each group goes to the vector that its way leads to most, if the draw is below how far. */
    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("cases")
    void stochasticRoundingGoesAlongTheWay(CodeSteps settings, Shape shape) {
        AdditiveCodebook stored = stored(shape);
        Tuning tuning = new Tuning(Moves.STOCHASTIC, 1, 1, 0, 0, 0, 0, 0, settings, Tuning.Pull.NONE);
        Naive naive = new Naive(stored, settings);
        Chance chance = new Chance(3, CPU);
        int changed = 0;
        try (TorchScope scope = new TorchScope();
                TunedWeight tuned =
                        new TunedCodebooks(stored, CPU.floats(gaussians(OUT * IN), OUT, IN), tuning, chance, CPU)) {
            for (int step = 1; step <= 6; step++) {
                float[] gradient = gaussians(OUT * IN);
                float[] draws = TorchDevice.toFloats(chance.draw(step, naive.codes.length));
                changed += naive.stepByChance(gradient, step, settings.rate(), draws);
                tuned.values().mul(CPU.floats(gradient, OUT, IN)).sum().backward();
                tuned.step(new Rates(0, 0, 0, 0, settings.rate()));
                AdditiveCodebook got = (AdditiveCodebook) tuned.pack();
                for (int n = 0; n < naive.codes.length; n++) {
                    for (int m = 0; m < naive.count; m++) {
                        assertThat(got.code(n / got.groupsPerRow(), n % got.groupsPerRow(), m))
                                .as("step %d, group %d, codebook %d", step, n, m)
                                .isEqualTo(naive.codes[n][m]);
                    }
                }
            }
        }
        assertThat(changed).isPositive();
    }

    /** Adam's first step goes by the sign of the gradient alone. */
    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("cases")
    void scalesMoveAgainstTheirSlopesAndCodesStay(CodeSteps settings, Shape shape) {
        AdditiveCodebook stored = stored(shape);
        float[] gradient = gaussians(OUT * IN);
        Tuning tuning = new Tuning(Moves.SCALES, 1, 1, 0, 0, 0, 0, 0, settings, Tuning.Pull.NONE);
        double rate = 0.01;
        try (TorchScope scope = new TorchScope();
                TunedWeight tuned = new TunedCodebooks(stored, CPU.floats(gradient, OUT, IN), tuning, null, CPU)) {
            float[] before = TorchDevice.toFloats(tuned.values());
            tuned.values().mul(CPU.floats(gradient, OUT, IN)).sum().backward();
            tuned.step(new Rates(0, rate, 0, 0, 0));
            AdditiveCodebook after = (AdditiveCodebook) tuned.pack();
            assertThat(after.codes().mismatch(stored.codes())).isEqualTo(-1);
            for (int row = 0; row < OUT; row++) {
                double slope = 0;
                for (int i = 0; i < IN; i++) {
                    slope += (double) gradient[row * IN + i] * before[row * IN + i];
                }
                double want = stored.scale(row) * Math.exp(-rate * Math.signum(slope));
                assertThat((double) after.scale(row)).isCloseTo(want, within(Math.abs(want) / 1024)); // fp16
            }
        }
    }

    private static final class Naive {
        final int count;
        final int[][] codes;
        private final int size;
        private final AdditiveCodebook stored;
        private final CodeSteps settings;
        private final double[][] carried;
        private final double[][] square;
        private final double unit;

        Naive(AdditiveCodebook stored, CodeSteps settings) {
            this.stored = stored;
            this.settings = settings;
            count = stored.codebookCount();
            size = stored.groupSize();
            int groups = OUT * IN / size;
            codes = new int[groups][count];
            carried = new double[groups][size];
            square = new double[groups][size];
            for (int n = 0; n < groups; n++) {
                for (int m = 0; m < count; m++) {
                    codes[n][m] = stored.code(n / stored.groupsPerRow(), n % stored.groupsPerRow(), m);
                }
            }
            unit = Math.sqrt(norm() / (OUT * IN));
        }

        private double scale(int n) {
            return stored.scale(n / stored.groupsPerRow());
        }

        private double vector(int m, int code, int k) {
            return stored.codebooks().get(((long) m * stored.entries() + code) * size + k);
        }

        /** Without the scale. */
        private double[] sum(int[] own) {
            double[] sum = new double[size];
            for (int k = 0; k < size; k++) {
                for (int m = 0; m < count; m++) {
                    sum[k] += vector(m, own[m], k);
                }
            }
            return sum;
        }

        private double norm() {
            double norm = 0;
            for (int n = 0; n < codes.length; n++) {
                for (double value : sum(codes[n])) {
                    norm += Math.pow(scale(n) * value, 2);
                }
            }
            return norm;
        }

        private int[] nearer(double[] wanted, int[] present) {
            int[] own = present.clone();
            for (int turn = 0; turn < (count == 1 ? 1 : 2); turn++) {
                for (int m = 0; m < count; m++) {
                    int[] best = own;
                    for (int code = 0; code < stored.entries(); code++) {
                        int[] other = own.clone();
                        other[m] = code;
                        best = distance(wanted, other) < distance(wanted, best) - 1e-9 ? other : best;
                    }
                    own = best;
                }
            }
            return own;
        }

        private double distance(double[] wanted, int[] own) {
            double[] sum = sum(own);
            double distance = 0;
            for (int k = 0; k < size; k++) {
                distance += Math.pow(wanted[k] - sum[k], 2);
            }
            return distance;
        }

        void startTowards(float[] original) {
            for (int n = 0; n < codes.length; n++) {
                double[] sum = sum(codes[n]);
                for (double share : new double[] {1, 0.5, 0.25, 0.125, 0.0625}) {
                    double[] wanted = new double[size];
                    for (int k = 0; k < size; k++) {
                        wanted[k] = sum[k] + share * (original[n * size + k] / scale(n) - sum[k]);
                    }
                    if (Arrays.equals(nearer(wanted, codes[n]), codes[n])) {
                        for (int k = 0; k < size; k++) {
                            carried[n][k] = (1 - settings.decay()) * scale(n) * (wanted[k] - sum[k]);
                        }
                        break;
                    }
                }
            }
        }

        int stepByChance(float[] gradient, int step, double rate, float[] draws) {
            int m = (step - 1) % count;
            int changed = 0;
            for (int n = 0; n < codes.length; n++) {
                double most = 0;
                int to = codes[n][m];
                double[] u = new double[size];
                for (int k = 0; k < size; k++) {
                    double g = gradient[n * size + k];
                    square[n][k] = 0.95 * square[n][k] + 0.05 * g * g;
                    u[k] = -rate * unit * g / Math.sqrt(square[n][k] / (1 - Math.pow(0.95, step))) / scale(n);
                }
                for (int code = 0; code < stored.entries(); code++) {
                    double along = 0;
                    double apart = 0;
                    for (int k = 0; k < size; k++) {
                        double way = vector(m, code, k) - vector(m, codes[n][m], k);
                        along += u[k] * way;
                        apart += way * way;
                    }
                    if (apart > 0 && along / apart > most) {
                        most = along / apart;
                        to = code;
                    }
                }
                changed += draws[n] < most && to != codes[n][m] ? 1 : 0;
                codes[n][m] = draws[n] < most ? to : codes[n][m];
            }
            return changed;
        }

        int step(float[] gradient, int step, double rate) {
            List<Integer> movers = new ArrayList<>();
            int[][] next = new int[codes.length][];
            int turn = (step - 1) % 8; // an eighth of all groups is looked at
            for (int n = 0; n < codes.length; n++) {
                double[] wanted = sum(codes[n]);
                for (int k = 0; k < size; k++) {
                    double g = gradient[n * size + k];
                    square[n][k] = 0.95 * square[n][k] + 0.05 * g * g;
                    carried[n][k] -= rate * unit * g / (Math.sqrt(square[n][k] / (1 - Math.pow(0.95, step))) + 1e-12);
                    wanted[k] += carried[n][k] / scale(n);
                }
                next[n] = nearer(wanted, codes[n]);
                boolean looked = n >= codes.length * turn / 8 && n < codes.length * (turn + 1) / 8;
                if (looked && !Arrays.equals(next[n], codes[n])) {
                    movers.add(n);
                }
            }
            movers.sort(Comparator.comparingDouble(n -> -IntStream.range(0, size)
                    .mapToDouble(k -> carried[n][k] * carried[n][k])
                    .sum()));
            long most = Math.max(1, Math.round(settings.share() * codes.length));
            double norm = norm();
            double spent = 0;
            int taken = 0;
            for (int n : movers) {
                double[] change = sum(next[n]);
                double[] old = sum(codes[n]);
                for (int k = 0; k < size; k++) {
                    change[k] = scale(n) * (change[k] - old[k]);
                    spent += change[k] * change[k];
                }
                if (taken == most || (taken > 0 && Math.sqrt(spent) > settings.trust() * Math.sqrt(norm))) {
                    break;
                }
                for (int k = 0; k < size; k++) {
                    carried[n][k] -= change[k];
                }
                codes[n] = next[n];
                taken++;
            }
            for (double[] one : carried) {
                for (int k = 0; k < size; k++) {
                    one[k] *= 1 - settings.decay();
                }
            }
            return taken;
        }
    }
}
