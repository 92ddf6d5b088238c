package dev.salient.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.kernel.Activations;
import dev.salient.kernel.CacheType;
import dev.salient.packed.GroupFormat;
import dev.salient.packed.Rounding;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class PrecisionTest {
    private static final Precision NIBBLES = new Precision(Activations.F32, CacheType.F32, GroupFormat.Q4_0);

    /** A model whose head is rounded already. */
    private static ModelWeights rounded(GroupFormat format) {
        ModelWeights weights = TinyModels.dense(TinyModels.config(4, 2, null), new Random(1));
        return new ModelWeights(
                weights.config(),
                weights.embedding(),
                weights.blocks(),
                weights.finalNorm(),
                Rounding.of(weights.head(), format));
    }

    @Test
    void aHeadThatIsWhatWasAskedForStays() {
        ModelWeights weights = rounded(GroupFormat.Q4_0);
        assertThat(NIBBLES.apply(weights)).isSameAs(weights);
    }

    @Test
    void aHeadThatIsQuantizedInAnotherWayIsRefused() {
        assertThatThrownBy(() -> NIBBLES.apply(rounded(GroupFormat.Q8_0)))
                .hasMessage(
                        "head: got Q4_0 for a head that is quantized, [37, 64], want one of 16 or 32 bits with rows of"
                                + " a multiple of 32; the head can be used as stored");
    }
}
