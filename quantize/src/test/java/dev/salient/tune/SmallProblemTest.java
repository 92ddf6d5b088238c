package dev.salient.tune;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.method.Tuning.CodeSteps;
import dev.salient.packed.PackedWeight;
import dev.salient.quantizer.RoundToNearest;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import dev.salient.tune.TunedWeight.Rates;
import java.util.Random;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;

/** One group of eight weights, {@code ||X (w - original)||^2}: small enough to try all 4^8 codes, each with its best scale. */
class SmallProblemTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int IN = 8;
    private static final int PROBLEMS = 60;
    private static final int STEPS = 200;

    @Test
    void pvFindsTheOptimumMoreOftenThanStraightThrough() {
        int pv = 0;
        int straight = 0;
        for (int seed = 0; seed < PROBLEMS; seed++) {
            Problem problem = new Problem(new Random(seed));
            double optimum = problem.optimum();
            pv += problem.best(problem::pv) <= 1.001 * optimum ? 1 : 0;
            straight += problem.best(problem::straightThrough) <= 1.001 * optimum ? 1 : 0;
        }
        assertThat(pv).isGreaterThan(straight);
    }

    private static final class Problem {
        private final float[] original = new float[IN];
        /** X^T X. */
        private final float[] gram = new float[IN * IN];

        Problem(Random random) {
            for (int i = 0; i < IN; i++) {
                original[i] = (float) random.nextGaussian();
            }
            for (int t = 0; t < 2 * IN; t++) {
                double[] x = new double[IN];
                double common = random.nextGaussian();
                for (int i = 0; i < IN; i++) {
                    x[i] = random.nextGaussian() + common;
                }
                for (int i = 0; i < IN * IN; i++) {
                    gram[i] += (float) (x[i / IN] * x[i % IN]);
                }
            }
        }

        PackedWeight rounded() {
            try (TorchScope scope = new TorchScope()) {
                return RoundToNearest.quantize(
                        CPU.floats(original, 1, IN), new Grid.Signed2(IN), Start.SQUARED_ERROR, CPU);
            }
        }

        TunedWeight pv(PackedWeight start) {
            return new ScalesAndCodes(start, true, new CodeSteps(0.7, 1.0 / IN, 10, 1), null, CPU);
        }

        TunedWeight straightThrough(PackedWeight start) {
            return new StraightThrough(start, CPU.floats(original, 1, IN), CPU);
        }

        double error(PackedWeight weight) {
            float[] row = new float[IN];
            weight.decodeRow(0, row, 0);
            double sum = 0;
            for (int i = 0; i < IN * IN; i++) {
                sum += (double) (row[i / IN] - original[i / IN]) * gram[i] * (row[i % IN] - original[i % IN]);
            }
            return sum;
        }

        /** The least error that a method comes by, whose rate it may choose of a few. */
        double best(Function<PackedWeight, TunedWeight> method) {
            double best = Double.POSITIVE_INFINITY;
            for (double rate : new double[] {0.003, 0.01, 0.03, 0.1}) {
                try (TorchScope scope = new TorchScope();
                        TunedWeight tuned = method.apply(rounded())) {
                    Tensor h = CPU.floats(gram, IN, IN);
                    Tensor want = CPU.floats(original, 1, IN);
                    for (int step = 0; step < STEPS; step++) {
                        try (TorchScope inner = new TorchScope()) {
                            Tensor off = tuned.values().sub(want);
                            off.mm(h).mul(off).sum().backward();
                            double left = 1 - (double) step / STEPS;
                            tuned.step(new Rates(rate * left, rate * left, 0, 0, 0.7));
                            best = Math.min(best, error(tuned.pack()));
                        }
                    }
                }
            }
            return best;
        }

        double optimum() {
            double best = Double.POSITIVE_INFINITY;
            for (int sign = -1; sign <= 1; sign += 2) {
                for (int all = 0; all < 1 << (2 * IN); all++) {
                    double up = 0;
                    double down = 0;
                    double rest = 0;
                    for (int i = 0; i < IN; i++) {
                        for (int j = 0; j < IN; j++) {
                            double h = gram[i * IN + j];
                            double a = sign * ((all >> (2 * i) & 3) - 1);
                            double b = sign * ((all >> (2 * j) & 3) - 1);
                            up += a * h * original[j];
                            down += a * h * b;
                            rest += original[i] * h * original[j];
                        }
                    }
                    if (down > 0 && up > 0) {
                        best = Math.min(best, rest - up * up / down);
                    }
                }
            }
            return best;
        }
    }
}
