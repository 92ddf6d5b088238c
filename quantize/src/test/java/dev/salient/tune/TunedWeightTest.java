package dev.salient.tune;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.method.Tuning.CodeSteps;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import dev.salient.tune.TunedWeight.Rates;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What moves and what does not, for weights with scales of either sign and any zero point. */
class TunedWeightTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int OUT = 6;
    private static final int IN = 128;
    private static final int SIZE = 32;
    private static final int GROUPS = IN / SIZE;
    /** In place of bits, as 1 stands for signs. */
    private static final int TERNARY = 0;

    static Stream<Arguments> cases() {
        return Stream.of(1, TERNARY, 2, 3, 4, 8)
                .flatMap(bits -> Stream.of(false, true).map(adapted -> Arguments.of(bits, adapted)));
    }

    private final Random random = new Random(3);

    private GroupAffine stored(int bits) {
        if (bits < 2) {
            return symmetric(bits == TERNARY);
        }
        byte[] codes = new byte[OUT * IN * bits / 8];
        random.nextBytes(codes);
        MemorySegment scales = MemorySegment.ofArray(new byte[OUT * GROUPS * Short.BYTES]);
        byte[] zeros = new byte[OUT * GROUPS];
        for (int g = 0; g < zeros.length; g++) {
            DType.F16.set(scales, g, (random.nextBoolean() ? 1 : -1) * random.nextFloat(0.01f, 0.1f));
            zeros[g] = (byte) random.nextInt(1 << bits);
        }
        return new GroupAffine(OUT, IN, bits, SIZE, MemorySegment.ofArray(codes), scales, MemorySegment.ofArray(zeros));
    }

    private GroupAffine symmetric(boolean ternary) {
        byte[] codes = new byte[OUT * IN / 4];
        for (int i = 0; i < OUT * IN; i++) {
            codes[i / 4] |= (byte) ((ternary ? random.nextInt(3) : 2 * random.nextInt(2)) << (2 * (i % 4)));
        }
        MemorySegment scales = MemorySegment.ofArray(new byte[OUT * GROUPS * Short.BYTES]);
        byte[] zeros = new byte[OUT * GROUPS];
        for (int g = 0; g < zeros.length; g++) {
            DType.F16.set(scales, g, random.nextFloat(0.01f, 0.1f));
            zeros[g] = 1;
        }
        return new GroupAffine(OUT, IN, 2, SIZE, MemorySegment.ofArray(codes), scales, MemorySegment.ofArray(zeros));
    }

    private PackedWeight weight(int bits, boolean adapted) {
        GroupAffine base = stored(bits);
        return adapted ? new LowRank(base, halves(4, IN), halves(OUT, 4), 0.5f) : base;
    }

    private dev.salient.tensor.Tensor halves(int rows, int columns) {
        MemorySegment data = MemorySegment.ofArray(new byte[rows * columns * Short.BYTES]);
        for (int i = 0; i < rows * columns; i++) {
            DType.F16.set(data, i, (float) (0.1 * random.nextGaussian()));
        }
        return new dev.salient.tensor.Tensor(DType.F16, Shape.of(rows, columns), data);
    }

    private float[] gaussians(double size) {
        float[] values = new float[OUT * IN];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (size * random.nextGaussian());
        }
        return values;
    }

    private static float[] decoded(PackedWeight weight) {
        float[] values = new float[OUT * IN];
        for (int row = 0; row < OUT; row++) {
            weight.decodeRow(row, values, row * IN);
        }
        return values;
    }

    private static GroupAffine base(PackedWeight weight) {
        return (GroupAffine) (weight instanceof LowRank low ? low.base() : weight);
    }

    /** Folders that other programs wrote with zero points in the middle keep them there, whatever the ends of ranges would like to do. */
    @ParameterizedTest
    @ValueSource(ints = {4, 8})
    void zeroPointsInTheMiddleStayThere(int bits) {
        byte[] middle = new byte[OUT * GROUPS];
        java.util.Arrays.fill(middle, (byte) (1 << (bits - 1)));
        MemorySegment scales = MemorySegment.ofArray(new byte[OUT * GROUPS * Short.BYTES]);
        byte[] codes = new byte[OUT * IN * bits / 8];
        random.nextBytes(codes);
        for (int g = 0; g < middle.length; g++) {
            DType.F16.set(scales, g, random.nextFloat(0.01f, 0.1f));
        }
        GroupAffine stored = new GroupAffine(
                OUT, IN, bits, SIZE, MemorySegment.ofArray(codes), scales, MemorySegment.ofArray(middle));
        try (TorchScope scope = new TorchScope()) {
            StraightThrough tuned = new StraightThrough(stored, CPU.floats(decoded(stored), OUT, IN), CPU);
            for (int step = 0; step < 20; step++) {
                tuned.values().mul(CPU.floats(gaussians(1), OUT, IN)).sum().backward();
                tuned.step(new Rates(1e-3, 0.1, 0, 0, 0));
            }
            GroupAffine moved = (GroupAffine) tuned.pack();
            for (int group = 0; group < OUT * GROUPS; group++) {
                assertThat(moved.zero(group / GROUPS, group % GROUPS)).isEqualTo(1 << (bits - 1));
            }
        }
    }

    private void expectUnmoved(TunedWeight tuned, PackedWeight weight) {
        float[] want = decoded(weight);
        float[] values = TorchDevice.toFloats(tuned.values());
        float[] written = decoded(tuned.pack());
        for (int i = 0; i < want.length; i++) {
            assertThat(values[i]).isCloseTo(want[i], within(4 * Math.ulp(Math.max(1, Math.abs(want[i])))));
            assertThat(written[i]).isCloseTo(want[i], within(0f)); // codes may be mirrored, values not
        }
    }

    @ParameterizedTest(name = "{0} bits, adapter {1}")
    @MethodSource("cases")
    void weightsStartWithTheValuesThatAreStored(int bits, boolean adapted) {
        PackedWeight weight = weight(bits, adapted);
        try (TorchScope scope = new TorchScope();
                TunedWeight tuned = new StraightThrough(weight, CPU.floats(gaussians(0.2), OUT, IN), CPU)) {
            expectUnmoved(tuned, weight);
        }
    }

    @ParameterizedTest(name = "{0} bits, adapter {1}")
    @MethodSource("cases")
    void scalesStartWithTheValuesThatAreStored(int bits, boolean adapted) {
        PackedWeight weight = weight(bits, adapted);
        try (TorchScope scope = new TorchScope();
                TunedWeight tuned = new ScalesAndCodes(weight, true, null, null, CPU)) {
            expectUnmoved(tuned, weight);
        }
    }

    /** Adam's first step goes by the sign of the gradient alone: each scale by its rate against its own slope. */
    @ParameterizedTest(name = "{0} bits, adapter {1}")
    @MethodSource("cases")
    void scalesMoveAgainstTheirSlopesAndCodesStay(int bits, boolean adapted) {
        PackedWeight weight = weight(bits, adapted);
        GroupAffine before = base(weight);
        float[] gradient = gaussians(1);
        double rate = 0.01;
        try (TorchScope scope = new TorchScope();
                TunedWeight tuned = new ScalesAndCodes(weight, true, null, null, CPU)) {
            tuned.values().mul(CPU.floats(gradient, OUT, IN)).sum().backward();
            tuned.step(new Rates(0, rate, 0, 0, 0));
            GroupAffine after = base(tuned.pack());
            for (int row = 0; row < OUT; row++) {
                for (int g = 0; g < GROUPS; g++) {
                    double slope = 0;
                    for (int i = g * SIZE; i < (g + 1) * SIZE; i++) {
                        int level = before.code(row, i) - before.zero(row, g);
                        slope += gradient[row * IN + i] * (double) level;
                        assertThat(after.code(row, i)).isEqualTo(before.code(row, i));
                    }
                    double want = before.scale(row, g) * Math.exp(-rate * Math.signum(slope * before.scale(row, g)));
                    assertThat((double) after.scale(row, g))
                            .isCloseTo(want, within(Math.abs(want) / 1024)); // fp16 keeps 11 bits
                    assertThat(after.zero(row, g)).isEqualTo(before.zero(row, g));
                }
            }
        }
    }

    /** Straight through as through PV: what was ternary or signs is so after many steps, though many codes have moved. */
    @ParameterizedTest(name = "{0}")
    @ValueSource(ints = {1, TERNARY})
    void levelsStayThoseOfTheGrid(int bits) {
        GroupAffine before = stored(bits);
        Tensor original = CPU.floats(gaussians(0.1), OUT, IN);
        for (boolean straight : new boolean[] {true, false}) {
            try (TorchScope scope = new TorchScope();
                    TunedWeight tuned = straight
                            ? new StraightThrough(before, original, CPU)
                            : new ScalesAndCodes(before, true, new CodeSteps(0.5, 0.1, 1, 1), null, CPU)) {
                for (int step = 0; step < 10; step++) {
                    tuned.values().mul(CPU.floats(gaussians(1), OUT, IN)).sum().backward();
                    tuned.step(new Rates(0.02, 0.01, 0, 0, 0.5));
                }
                GroupAffine after = base(tuned.pack());
                assertThat(after.levels()).isEqualTo(before.levels());
                int moved = 0;
                for (int i = 0; i < OUT * IN; i++) {
                    moved += after.code(i / IN, i % IN) == before.code(i / IN, i % IN) ? 0 : 1;
                }
                assertThat(moved)
                        .as("codes that moved, straight through: %s", straight)
                        .isGreaterThan(20);
            }
        }
    }
}
