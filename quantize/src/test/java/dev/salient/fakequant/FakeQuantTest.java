package dev.salient.fakequant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.packed.GroupAffine;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The fused pass and the tensor operations, each against the formula written out in double. */
class FakeQuantTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");

    /** Relative bound: a sum of a group's products in fp32 in any order errs by less than this share of its terms. */
    private static final double BOUND = 300 * Math.ulp(1f);

    static Stream<Arguments> cases() {
        return Stream.of(
                        new Grid.Signed2(64),
                        new Grid.Signed(4, 32),
                        new Grid.Signed(8, 64),
                        new Grid.Affine(2, 64),
                        new Grid.Affine(3, 32),
                        new Grid.Affine(4, 128),
                        new Grid.Affine(2, 0),
                        new Grid.Ternary(64),
                        new Grid.Ternary(0),
                        new Grid.Binary(64),
                        new Grid.Binary(12))
                .flatMap(grid -> Stream.of(1L, 2L, 3L)
                        .flatMap(seed -> Stream.of(new FusedFakeQuant(), new TensorFakeQuant())
                                .map(quant -> Arguments.of(grid, seed, quant))));
    }

    /** A weight of three rows of 384, clipping logits anywhere from hard to none. */
    private static ClippedGroups weight(Grid grid, Random random) {
        float[] values = new float[3 * 384];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        ClippedGroups weight = ClippedGroups.of(CPU.floats(values, 3, 384), grid, Start.RANGE, CPU);
        for (Tensor logits : new Tensor[] {weight.upper(), weight.lower()}) {
            float[] some = new float[(int) logits.numel()];
            for (int i = 0; i < some.length; i++) {
                some[i] = random.nextFloat(-2, 4);
            }
            logits.copy_(CPU.floats(some, logits.size(0), logits.size(1)));
        }
        return weight;
    }

    @ParameterizedTest(name = "{0}, seed {1}, {2}")
    @MethodSource("cases")
    void valuesAreThoseOfTheFormula(Grid grid, long seed, FakeQuant quant) {
        try (TorchScope scope = new TorchScope()) {
            ClippedGroups weight = weight(grid, new Random(seed));
            quant.quantize(weight);
            float[] got = TorchDevice.toFloats(weight.values());
            NaiveClipping naive = new NaiveClipping(weight);
            for (int i = 0; i < got.length; i++) {
                naive.expectValue(i, got[i]);
            }
        }
    }

    @ParameterizedTest(name = "{0}, seed {1}, {2}")
    @MethodSource("cases")
    void gradientsAreThoseOfTheFormula(Grid grid, long seed, FakeQuant quant) {
        try (TorchScope scope = new TorchScope()) {
            Random random = new Random(seed);
            ClippedGroups weight = weight(grid, random);
            float[] gradient = random(random, 3 * 384, -1);
            float[] saliency = random(random, 3 * 384, 0);
            FakeQuant.Gradients got = quant.differentiate(
                    weight, CPU.floats(gradient, 3, 384), new FakeQuant.Weighting(CPU.floats(saliency, 3, 384), 0.25));
            NaiveClipping naive = new NaiveClipping(weight);
            NaiveClipping.Sums want = naive.gradients(gradient, saliency, 0.25);
            expectClipping(got, want);
        }
    }

    private static void expectClipping(FakeQuant.Gradients got, NaiveClipping.Sums want) {
        float[] upper = TorchDevice.toFloats(got.upper());
        float[] lower = TorchDevice.toFloats(got.lower());
        for (int g = 0; g < upper.length; g++) {
            double slack = BOUND * want.magnitude[g];
            assertThat((double) upper[g]).as("u of group %d", g).isCloseTo(want.upper[g], within(slack));
            assertThat((double) lower[g]).as("l of group %d", g).isCloseTo(want.lower[g], within(slack));
        }
        assertThat(got.preservation()).isCloseTo(want.preservation, within(BOUND * want.preservation));
    }

    /** A weight that has moved away from its original: rounded where it is now, held near where it was. */
    @ParameterizedTest(name = "{0}, seed {1}, {2}")
    @MethodSource("cases")
    void aTrainedWeightGetsTheGradientOfItsValueUnlessItsCodeIsClamped(Grid grid, long seed, FakeQuant quant) {
        try (TorchScope scope = new TorchScope()) {
            Random random = new Random(seed);
            ClippedGroups weight = weight(grid, random).withTrainedWeight();
            weight.latent().add_(CPU.floats(random(random, 3 * 384, -1), 3, 384));
            quant.quantize(weight);
            float[] values = TorchDevice.toFloats(weight.values());
            float[] gradient = random(random, 3 * 384, -1);
            float[] saliency = random(random, 3 * 384, 0);
            FakeQuant.Gradients got = quant.differentiate(
                    weight, CPU.floats(gradient, 3, 384), new FakeQuant.Weighting(CPU.floats(saliency, 3, 384), 0.25));
            NaiveClipping naive = new NaiveClipping(weight);
            NaiveClipping.Sums want = naive.gradients(gradient, saliency, 0.25);
            expectClipping(got, want);
            float[] own = TorchDevice.toFloats(Objects.requireNonNull(got.weight()));
            for (int i = 0; i < own.length; i++) {
                naive.expectValue(i, values[i]);
                naive.expectGradient(i, own[i], want.weight[i]);
            }
            assertThat(quant.differentiate(weight(grid, random), CPU.floats(gradient, 3, 384), null)
                            .weight())
                    .isNull();
        }
    }

    @Test
    void withoutAGradientOnlyThePreservationTermCounts() {
        try (TorchScope scope = new TorchScope()) {
            Random random = new Random(5);
            ClippedGroups weight = weight(new Grid.Signed2(64), random);
            FakeQuant.Weighting term = new FakeQuant.Weighting(CPU.floats(random(random, 3 * 384, 0), 3, 384), 0.5);
            FakeQuant.Gradients alone = new FusedFakeQuant().differentiate(weight, null, term);
            FakeQuant.Gradients withZeros = new FusedFakeQuant().differentiate(weight, CPU.zeros(3, 384), term);
            assertThat(TorchDevice.toFloats(alone.upper())).isEqualTo(TorchDevice.toFloats(withZeros.upper()));
            assertThat(alone.preservation()).isEqualTo(withZeros.preservation());
        }
    }

    @ParameterizedTest(name = "{0}, seed {1}")
    @MethodSource("cases")
    void codesDecodeToTheNearestLevelOfTheRoundedScale(Grid grid, long seed, FakeQuant quant) {
        try (TorchScope scope = new TorchScope()) {
            ClippedGroups weight = weight(grid, new Random(seed));
            GroupAffine packed = GroupCodes.of(weight);
            float[] original = TorchDevice.toFloats(weight.original());
            float[] row = new float[384];
            for (int o = 0; o < 3; o++) {
                packed.decodeRow(o, row, 0);
                for (int i = 0; i < row.length; i++) {
                    int group = i / packed.groupSize();
                    double want = Double.POSITIVE_INFINITY;
                    double scale = packed.scale(o, group);
                    int step = grid instanceof Grid.Binary ? 2 : 1;
                    int last = step == 2 || grid instanceof Grid.Ternary ? 2 : (1 << packed.bits()) - 1;
                    for (int code = 0; code <= last; code += step) {
                        want = Math.min(want, Math.abs(scale * (code - packed.zero(o, group)) - original[o * 384 + i]));
                    }
                    double got = Math.abs(row[i] - original[o * 384 + i]);
                    assertThat(got)
                            .as("[%d, %d]", o, i)
                            .isCloseTo(want, within(4.0 * Math.ulp((float) Math.abs(want) + 1)));
                }
            }
        }
    }

    @Test
    void signed2HasNoZeroPointButOneAndTwo() {
        try (TorchScope scope = new TorchScope()) {
            GroupAffine packed = GroupCodes.of(weight(new Grid.Signed2(64), new Random(9)));
            for (int g = 0; g < packed.groupsPerRow(); g++) {
                assertThat(packed.zero(0, g)).isBetween(1, 2);
            }
        }
    }

    @Test
    void theSearchedStartLeavesLessErrorThanTheRange() {
        try (TorchScope scope = new TorchScope()) {
            float[] values = random(new Random(3), 3 * 384, -1);
            Tensor original = CPU.floats(values, 3, 384);
            double range = error(original, Start.RANGE);
            assertThat(error(original, Start.SQUARED_ERROR)).isLessThan(range);
        }
    }

    private static double error(Tensor original, Start start) {
        ClippedGroups weight = ClippedGroups.of(original, new Grid.Signed2(64), start, CPU);
        new FusedFakeQuant().quantize(weight);
        return weight.values().detach().sub(original).square().sum().item_double();
    }

    private static float[] random(Random random, int count, float least) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = random.nextFloat(least, 1);
        }
        return values;
    }
}
