package dev.salient.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.model.Linear;
import dev.salient.model.ModelWeights;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.SharedData;
import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Real models, against numbers that numpy and the gguf package gave for them. */
@Tag("shared")
class SharedModelsTest {
    private static void assertMatrix(PackedWeight weight, float[] row33, double absoluteSum) {
        float[] row = new float[weight.in()];
        double sum = 0;
        for (int o = 0; o < weight.out(); o++) {
            weight.decodeRow(o, row, 0);
            for (float value : row) {
                sum += Math.abs(value);
            }
            if (o == 33) {
                assertThat(row).startsWith(row33);
            }
        }
        // the sum of float32 values in double: exact but for the last digits
        assertThat(sum).isCloseTo(absoluteSum, within(absoluteSum * 1e-7));
    }

    @Test
    void smolLm2IsReadFromGguf() throws IOException {
        try (Checkpoint checkpoint = Checkpoints.open(SharedData.expect("data/models/smollm2-135m-instruct"))) {
            ModelWeights weights = checkpoint.weights();
            assertMatrix(
                    weights.blocks().get(7).linear(Linear.Q),
                    new float[] {-0.11578369f, -0.11578369f, 0.022277832f},
                    47604.23973083496);
            assertMatrix(
                    weights.blocks().get(7).linear(Linear.K),
                    new float[] {-0.004211426f, 0.14465332f, -0.004211426f},
                    16738.010009765625);
            assertMatrix(
                    weights.blocks().get(29).linear(Linear.DOWN),
                    new float[] {-0.03564453f, -0.089538574f, -0.03564453f},
                    126250.91435241699);
            assertThat(checkpoint.endTokens()).containsExactly(2);
            assertThat(checkpoint.expectTokenizer().vocabSize()).isEqualTo(49152);
            assertThat(checkpoint.chatTemplate()).startsWith("{% for message in messages %}");
            ModelSummary summary = Checkpoints.describe(checkpoint);
            assertThat(summary.linearFormats()).isEqualTo(Map.of("Q4_1", 210));
            assertThat(summary.bitsPerWeight()).isEqualTo(5);
        }
    }

    @Test
    void tiedModelThatStoresOnlyItsHeadOpens() throws IOException {
        try (Checkpoint checkpoint = Checkpoints.open(SharedData.expect("data/models/tinystories-656k"))) {
            ModelWeights weights = checkpoint.weights();
            assertThat(weights.head()).isSameAs(weights.embedding());
            assertThat(weights.config().vocabSize()).isEqualTo(2048);
            assertThat(checkpoint.endTokens()).containsExactly(2);
            Checkpoints.requireFinite(checkpoint);
        }
    }

    @Test
    void hashIsOneOfTheContentAlone() throws IOException {
        String hash = Checkpoints.hash(SharedData.expect("data/models/tinystories-656k"));
        assertThat(hash).matches("[0-9a-f]{64}");
        assertThat(Checkpoints.hash(SharedData.expect("data/models/tinystories-656k")))
                .isEqualTo(hash);
    }
}
