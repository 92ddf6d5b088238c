package dev.salient.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.packed.PackedWeight;
import dev.salient.pipeline.BitBudget.Choice;
import dev.salient.quantizer.RoundToNearest;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class BitBudgetTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final Grid PLAIN = new Grid.Signed2(64);
    private static final Grid FOUR = new Grid.Signed(4, 64);
    private static final Grid EIGHT = new Grid.Signed(8, 64);
    private static final LinearId Q = new LinearId(0, Linear.Q);
    private static final LinearId K = new LinearId(0, Linear.K);
    private static final LinearId UP = new LinearId(0, Linear.UP);

    private static List<Choice> choices(double bits, double plain, double four, double eight) {
        return List.of(
                new Choice(PLAIN, 2 * bits, plain),
                new Choice(FOUR, 4 * bits, four),
                new Choice(EIGHT, 8 * bits, eight));
    }

    /** K gains 4 for 20 bits, Q 9 for 200, UP 10 for 2000, Q's second move 0.9 for 400. */
    private static final Map<LinearId, List<Choice>> THREE =
            Map.of(Q, choices(100, 10, 1, 0.1), K, choices(10, 5, 1, 0.9), UP, choices(1000, 20, 10, 9));

    @Test
    void bitsGoWhereTheyLowerTheLossMost() {
        assertThat(BitBudget.spend(THREE, 2220)).isEmpty();
        assertThat(BitBudget.spend(THREE, 2239)).isEmpty();
        assertThat(BitBudget.spend(THREE, 2240)).isEqualTo(Map.of(K, FOUR));
        assertThat(BitBudget.spend(THREE, 2440)).isEqualTo(Map.of(K, FOUR, Q, FOUR));
        assertThat(BitBudget.spend(THREE, 4440)).isEqualTo(Map.of(K, FOUR, Q, FOUR, UP, FOUR));
        assertThat(BitBudget.spend(THREE, 1e9)).isEqualTo(Map.of(K, EIGHT, Q, EIGHT, UP, EIGHT));
    }

    @Test
    void lessThanThePlainGridTakesIsRefused() {
        assertThatThrownBy(() -> BitBudget.spend(THREE, 2219))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "--target-bpw: got 2219 bits for the linears, want at least the 2220 that they take in the plain grid");
    }

    @Test
    void theExpectedLossIsHalfTheWeighedSquaredError() {
        Random random = new Random(1);
        float[] weight = new float[4 * 128];
        float[] fisher = new float[weight.length];
        for (int i = 0; i < weight.length; i++) {
            weight[i] = (float) random.nextGaussian();
            fisher[i] = random.nextFloat();
        }
        try (TorchScope scope = new TorchScope()) {
            assertThat(BitBudget.grids(PLAIN, 128)).containsExactly(PLAIN, FOUR, EIGHT);
            for (Grid grid : BitBudget.grids(PLAIN, 128)) {
                double loss = BitBudget.expectedLoss(CPU.floats(weight, 4, 128), CPU.floats(fisher, 4, 128), grid, CPU);
                PackedWeight rounded =
                        RoundToNearest.quantize(CPU.floats(weight, 4, 128), grid, Start.SQUARED_ERROR, CPU);
                double sum = 0;
                for (int i = 0; i < weight.length; i++) {
                    float[] row = new float[128];
                    rounded.decodeRow(i / 128, row, 0);
                    sum += fisher[i] * Math.pow(row[i % 128] - weight[i], 2) / 2;
                }
                assertThat(loss).isCloseTo(sum, org.assertj.core.api.Assertions.within(1e-5 * sum));
            }
        }
    }
}
