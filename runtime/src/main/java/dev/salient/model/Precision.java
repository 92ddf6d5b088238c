package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.kernel.Activations;
import dev.salient.kernel.CacheType;
import dev.salient.packed.Dense;
import dev.salient.packed.GroupFormat;
import dev.salient.packed.Rounding;
import dev.salient.packed.ScaledGroups;
import org.jspecify.annotations.Nullable;

/**
 * Where a running model rounds more than its file does. {@link #FULL} is the reference.
 *
 * @param activations how they enter products with quantized weights, a few tokens at a time
 * @param cache how keys and values are kept
 * @param head Q8_0 or Q4_0, to which a head that is stored as numbers is rounded when the model is opened; null leaves it
 */
public record Precision(
        Activations activations, CacheType cache, @Nullable GroupFormat head) {
    /** Nothing is rounded. */
    public static final Precision FULL = new Precision(Activations.F32, CacheType.F32, null);

    /**
     * The weights with their head as this says.
     *
     * @throws IllegalArgumentException where the head is quantized in another way already, or its rows are no whole groups
     */
    public ModelWeights apply(ModelWeights weights) {
        if (head == null || (weights.head() instanceof ScaledGroups groups && groups.format() == head)) {
            return weights;
        }
        require(
                Rounding.fits(head, weights.head()),
                "head: got %s for a head that is %s, [%d, %d], want one of 16 or 32 bits with rows of a multiple of %d;"
                        + " the head can be used as stored",
                head,
                weights.head() instanceof Dense ? "not quantized" : "quantized",
                weights.head().out(),
                weights.head().in(),
                head.groupSize());
        return new ModelWeights(
                weights.config(),
                weights.embedding(),
                weights.blocks(),
                weights.finalNorm(),
                Rounding.of(weights.head(), head),
                weights.intact());
    }
}
