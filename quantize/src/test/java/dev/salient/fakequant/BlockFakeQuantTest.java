package dev.salient.fakequant;

import static dev.salient.fakequant.Samples.gaussians;
import static dev.salient.fakequant.Samples.sigmoid;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.SuperBlocks;
import dev.salient.quantizer.RoundToNearest;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.Objects;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Q2_K under training against its formula, one weight at a time. */
class BlockFakeQuantTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int OUT = 2;
    private static final int IN = 512;
    private static final int SIZE = 16;
    private static final int GROUPS = OUT * IN / SIZE;
    private static final Grid GRID = new Grid.Q2K();

    private static float half(double x) {
        return Float.float16ToFloat(Float.floatToFloat16((float) x));
    }

    /** Numbers of 16 groups as integers of 4 bits times one fp16 number. */
    private static double[] inBlock(double[] exact, int from) {
        double most = 0;
        for (int g = from; g < from + 16; g++) {
            most = Math.max(most, exact[g]);
        }
        float unit = half(most / 15);
        double[] values = new double[16];
        for (int g = 0; g < 16; g++) {
            values[g] = unit == 0 ? 0 : unit * Math.min(15, Math.rint(exact[from + g] / unit));
        }
        return values;
    }

    /** S and M of every group. */
    private static double[][] scalesAndMinima(double[] hi, double[] lo) {
        double[] exactScales = new double[GROUPS];
        double[] exactMinima = new double[GROUPS];
        for (int g = 0; g < GROUPS; g++) {
            exactScales[g] = (hi[g] - lo[g]) / 3;
            exactMinima[g] = -lo[g];
        }
        double[][] both = new double[2][GROUPS];
        for (int g = 0; g < GROUPS; g += 16) {
            System.arraycopy(inBlock(exactScales, g), 0, both[0], g, 16);
            System.arraycopy(inBlock(exactMinima, g), 0, both[1], g, 16);
        }
        return both;
    }

    private static double end(float[] weights, int group, int sign) {
        double end = 0;
        for (int i = group * SIZE; i < (group + 1) * SIZE; i++) {
            end = Math.max(end, sign * weights[i]);
        }
        return sign * end;
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void valuesAndGradientsAreThoseOfTheFormula(long seed) {
        Random random = new Random(seed);
        float[] original = gaussians(random, OUT * IN);
        for (int i = 0; i < SIZE; i++) {
            original[i] *= 100; // beside it the scales of the block's other groups come to 0
        }
        float[] moved = gaussians(random, OUT * IN);
        float[] u = gaussians(random, GROUPS);
        float[] l = gaussians(random, GROUPS);
        float[] gradient = gaussians(random, OUT * IN);
        float[] saliency = new float[OUT * IN];
        for (int i = 0; i < saliency.length; i++) {
            saliency[i] = random.nextFloat();
        }
        double[] hi = new double[GROUPS];
        double[] lo = new double[GROUPS];
        for (int g = 0; g < GROUPS; g++) {
            hi[g] = sigmoid(u[g]) * end(original, g, 1);
            lo[g] = sigmoid(l[g]) * end(original, g, -1);
        }
        double[][] want = scalesAndMinima(hi, lo);
        try (TorchScope scope = new TorchScope()) {
            ClippedGroups weight = ClippedGroups.of(CPU.floats(original, OUT, IN), GRID, Start.RANGE, CPU)
                    .withTrainedWeight();
            weight.latent().copy_(CPU.floats(moved, OUT, IN));
            weight.upper().copy_(CPU.floats(u, OUT, IN / SIZE));
            weight.lower().copy_(CPU.floats(l, OUT, IN / SIZE));
            FakeQuant quant = FakeQuant.of(GRID, CPU);
            quant.quantize(weight);
            float[] values = TorchDevice.toFloats(weight.values());
            FakeQuant.Gradients got = quant.differentiate(
                    weight,
                    CPU.floats(gradient, OUT, IN),
                    new FakeQuant.Weighting(CPU.floats(saliency, OUT, IN), 0.25));
            float[] own = TorchDevice.toFloats(Objects.requireNonNull(got.weight()));
            float[] upper = TorchDevice.toFloats(got.upper());
            float[] lower = TorchDevice.toFloats(got.lower());
            double preserved = 0;
            for (int g = 0; g < GROUPS; g++) {
                double s = want[0][g];
                double m = want[1][g];
                double byHi = 0;
                double byLo = 0;
                double size = 0;
                for (int i = g * SIZE; i < (g + 1) * SIZE; i++) {
                    double r = s == 0 ? 0 : (moved[i] + m) / s;
                    double q = Math.clamp(Math.rint(r), 0, 3);
                    double value = s * q - m;
                    assertThat((double) values[i]).isCloseTo(value, within(1e-5 * Math.max(1, Math.abs(value))));
                    double off = value - original[i];
                    double total = gradient[i] + 0.5 * saliency[i] * off;
                    preserved += saliency[i] * off * off;
                    boolean inside = s > 0 && Math.rint(r) == q;
                    double byScale = total * (q - (inside ? r : 0));
                    byHi += byScale / 3;
                    byLo += -byScale / 3 + (inside ? 0 : total);
                    size += Math.abs(total) * (1 + Math.abs(r));
                    assertThat((double) own[i]).isCloseTo(inside ? total : 0, within(1e-5));
                }
                double bound = 1e-6 * size * 4; // a float's rounding of each term
                assertThat((double) upper[g]).isCloseTo(byHi * hi[g] * (1 - sigmoid(u[g])), within(bound));
                assertThat((double) lower[g]).isCloseTo(byLo * lo[g] * (1 - sigmoid(l[g])), within(bound));
            }
            assertThat(got.preservation()).isCloseTo(preserved, within(1e-5 * preserved));
        }
    }

    /** What is written is what was trained, bit for bit. */
    @ParameterizedTest
    @EnumSource(Start.class)
    void storedValuesAreTheTrainedOnes(Start start) {
        float[] original = gaussians(new Random(4), OUT * IN);
        try (TorchScope scope = new TorchScope()) {
            ClippedGroups weight = ClippedGroups.of(CPU.floats(original, OUT, IN), GRID, start, CPU);
            FakeQuant.of(GRID, CPU).quantize(weight);
            PackedWeight stored = GroupCodes.stored(weight);
            assertThat(stored.storedBytes()).isEqualTo(OUT * IN * 84L / 256);
            assertThat(decoded(stored)).isEqualTo(TorchDevice.toFloats(weight.values()));
        }
    }

    /** Groups of nothing, of one sign, and so small that fp16 holds no unit of theirs. */
    @Test
    void oddGroupsStayFinite() {
        float[] original = gaussians(new Random(6), OUT * IN);
        for (int i = 0; i < 256; i++) {
            original[i] = 0;
            original[256 + i] = Math.abs(original[256 + i]);
            original[512 + i] = -Math.abs(original[512 + i]);
            original[768 + i] *= 1e-9f;
        }
        try (TorchScope scope = new TorchScope()) {
            PackedWeight stored = RoundToNearest.quantize(CPU.floats(original, OUT, IN), GRID, Start.RANGE, CPU);
            float[] values = decoded(stored);
            for (int i = 0; i < values.length; i++) {
                // half a step of a group whose scale and minimum are off by half a step of theirs, of the clipped range
                assertThat(values[i]).isCloseTo(original[i], within(i < 256 || i >= 768 ? 1e-8f : 1.2f));
            }
        }
    }

    /** A tuning begins where the file was. */
    @Test
    void storedBlocksAreTakenUpAsTheyAre() {
        float[] original = gaussians(new Random(8), OUT * IN);
        try (TorchScope scope = new TorchScope()) {
            Tensor weight = CPU.floats(original, OUT, IN);
            PackedWeight stored = RoundToNearest.quantize(weight, GRID, Start.SQUARED_ERROR, CPU);
            ClippedGroups again = ClippedGroups.ofStored(stored, weight, original.clone(), CPU);
            FakeQuant.of(GRID, CPU).quantize(again);
            float[] before = decoded(stored);
            float[] after = TorchDevice.toFloats(again.values());
            for (int i = 0; i < before.length; i++) {
                assertThat(after[i]).isCloseTo(before[i], within(1e-3f * Math.max(1, Math.abs(before[i]))));
            }
            assertThat(TorchDevice.toFloats(again.latent())).isNotEqualTo(before);
        }
    }

    /** The search for the least squared error beats the whole range. */
    @Test
    void theSearchLowersTheError() {
        assertThat(roundingError(Start.SQUARED_ERROR)).isLessThan(roundingError(Start.RANGE));
    }

    private static double roundingError(Start start) {
        float[] original = gaussians(new Random(9), OUT * IN);
        double error = 0;
        try (TorchScope scope = new TorchScope()) {
            float[] values = decoded(RoundToNearest.quantize(CPU.floats(original, OUT, IN), GRID, start, CPU));
            for (int i = 0; i < values.length; i++) {
                error += Math.pow(values[i] - original[i], 2);
            }
        }
        return error;
    }

    @Test
    void rowsMustBeOfWholeBlocks() {
        assertThatThrownBy(() -> GRID.groupSizeFor(576))
                .hasMessage(
                        "--grid q2_k: got rows of 576 channels, want multiples of 256; signed2 takes groups of [16, 32, 64]");
        assertThat(GRID.bitsPerWeight(4, 512)).isEqualTo(2.625);
    }

    private static float[] decoded(PackedWeight stored) {
        assertThat(stored).isInstanceOf(SuperBlocks.class);
        float[] values = new float[OUT * IN];
        for (int row = 0; row < OUT; row++) {
            stored.decodeRow(row, values, row * IN);
        }
        return values;
    }
}
