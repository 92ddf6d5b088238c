package dev.salient.model;

import dev.salient.kernel.Activations;
import dev.salient.kernel.CacheType;
import dev.salient.packed.GroupFormat;
import dev.salient.packed.Rounding;
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

    /** The weights with their head as this says; a head that is quantized already stays. */
    public ModelWeights apply(ModelWeights weights) {
        if (head == null || !Rounding.fits(head, weights.head())) {
            return weights;
        }
        return new ModelWeights(
                weights.config(),
                weights.embedding(),
                weights.blocks(),
                weights.finalNorm(),
                Rounding.of(weights.head(), head));
    }
}
