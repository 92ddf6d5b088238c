package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Tensor;
import java.util.EnumMap;
import java.util.Map;

/**
 * The weights of one transformer block; rows of Q and K in Hugging Face's order (rotated halves).
 *
 * @param attentionNorm [hidden], gain of the RMSNorm before attention
 * @param mlpNorm [hidden], gain of the RMSNorm before the MLP
 * @param linears all seven
 */
public record BlockWeights(Tensor attentionNorm, Tensor mlpNorm, Map<Linear, PackedWeight> linears) {
    public BlockWeights {
        require(linears.size() == Linear.values().length, "block: got linears %s, want all", linears.keySet());
        linears = java.util.Collections.unmodifiableMap(new EnumMap<>(linears));
    }

    /** The weight of one linear, [out, in]. */
    public PackedWeight linear(Linear linear) {
        return java.util.Objects.requireNonNull(linears.get(linear));
    }
}
