package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Tensor;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The weights of one transformer block; rows of Q and K in Hugging Face's order (rotated halves).
 *
 * @param norms the gains of those that the family has, each [channels]: what normalized numbers are multiplied with
 * @param linears all seven
 * @param biases [out] of the linears that have one
 */
public record BlockWeights(Map<Norm, Tensor> norms, Map<Linear, PackedWeight> linears, Map<Linear, Tensor> biases) {
    public BlockWeights {
        require(linears.size() == Linear.values().length, "block: got linears %s, want all", linears.keySet());
        norms = Collections.unmodifiableMap(new EnumMap<>(norms));
        linears = Collections.unmodifiableMap(new EnumMap<>(linears));
        biases = biases.isEmpty() ? Map.of() : Collections.unmodifiableMap(new EnumMap<>(biases));
    }

    /** A block of LLaMA. */
    public BlockWeights(Tensor attentionNorm, Tensor mlpNorm, Map<Linear, PackedWeight> linears) {
        this(Map.of(Norm.ATTENTION, attentionNorm, Norm.MLP, mlpNorm), linears, Map.of());
    }

    /** This block with other linears. */
    public BlockWeights withLinears(Map<Linear, PackedWeight> others) {
        return new BlockWeights(norms, others, biases);
    }

    /** The weight of one linear, [out, in]. */
    public PackedWeight linear(Linear linear) {
        return Objects.requireNonNull(linears.get(linear));
    }

    /** The gain of a norm, [channels]. */
    public Tensor norm(Norm norm) {
        return Objects.requireNonNull(norms.get(norm), () -> "no norm " + norm);
    }

    /** The gain of a norm, [channels]; null where the block has no such norm. */
    public @Nullable Tensor findNorm(Norm norm) {
        return norms.get(norm);
    }

    /** The bias of a linear, [out]; null where it has none. */
    public @Nullable Tensor findBias(Linear linear) {
        return biases.get(linear);
    }
}
