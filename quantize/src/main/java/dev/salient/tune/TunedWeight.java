package dev.salient.tune;

import dev.salient.packed.PackedWeight;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/** One linear whose stored form moves as the loss's gradient says. */
interface TunedWeight extends AutoCloseable {
    /** What the linear multiplies with, [out, in]: a leaf that collects gradients. */
    Tensor values();

    /**
     * Moves one step along the gradient that {@link #values} has collected, and forgets it.
     *
     * @param rates by which parameters move
     */
    void step(Rates rates);

    /** The stored form of what it is now. */
    PackedWeight pack();

    /** All that a later run needs to go on alike, by name; restored by writing into it and {@link #restored}. */
    Map<String, Tensor> state();

    /** Hears that {@link #state} was overwritten with that after so many steps. */
    void restored(int steps);

    @Override
    void close();

    /** Learning rates of one step. */
    record Rates(double weight, double scale, double adapter, double norm, double code) {
        /** All rates times a factor. */
        Rates times(double factor) {
            return new Rates(weight * factor, scale * factor, adapter * factor, norm * factor, code * factor);
        }
    }
}
