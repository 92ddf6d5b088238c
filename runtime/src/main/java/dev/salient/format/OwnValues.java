package dev.salient.format;

import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelWeights;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaleMixture;
import dev.salient.tensor.Preconditions;

/** Whether the weights of a model have values by themselves, which scales that follow the token do not give them. */
public final class OwnValues {
    private OwnValues() {}

    /**
     * Looks at all linears.
     *
     * @param wanted what needs values, and what to do instead; ends the message
     * @throws IllegalArgumentException with the first linear that has none
     */
    public static void require(ModelWeights weights, String wanted) {
        for (int b = 0; b < weights.blocks().size(); b++) {
            for (Linear linear : Linear.values()) {
                PackedWeight weight = weights.blocks().get(b).linear(linear);
                PackedWeight base = weight instanceof LowRank adapted ? adapted.base() : weight;
                Preconditions.require(
                        !(base instanceof ScaleMixture),
                        "%s: got scales that follow the token (binary-mos), %s",
                        new LinearId(b, linear),
                        wanted);
            }
        }
    }
}
