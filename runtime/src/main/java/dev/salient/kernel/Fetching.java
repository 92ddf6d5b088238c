package dev.salient.kernel;

import java.util.IdentityHashMap;
import org.jspecify.annotations.Nullable;

/**
 * How weights come from memory for the product of one token: of two ways the one that was seen to be faster, since machines of one
 * instruction set differ.
 *
 * <p>Where the processor foresees what is read next, large items one after the other let it. Where it does not, small ones whose cache
 * lines are all asked for first ({@link Strips#touch}) wait once instead of at every line. For the first tokens each weight's product
 * is timed in both ways in turn; then the way whose best times have the smaller sum is kept. The result of a product does not
 * depend on it.
 */
final class Fetching {
    /** Products of a weight in each way until the choice is made: the first are slow, as they are not compiled yet. */
    static final int TRIALS = 32;

    private @Nullable IdentityHashMap<Prepared, Times> trials = new IdentityHashMap<>();
    private boolean touching;

    /** What was seen of a weight. */
    private static final class Times {
        int asked;
        long bestStreaming = Long.MAX_VALUE;
        long bestTouching = Long.MAX_VALUE;
    }

    /** Whether products still have to be timed. */
    boolean isOpen() {
        return trials != null;
    }

    /** Whether an item's cache lines are asked for first. */
    boolean touches() {
        return touching;
    }

    /** Chooses for a product with this weight, and with others that always come with it. */
    void begin(Prepared weight) {
        if (trials != null) {
            touching = trials.computeIfAbsent(weight, unseen -> new Times()).asked++ % 2 != 0;
        }
    }

    /** Takes note of the time of the product that has {@link #begin begun} last. */
    void took(Prepared weight, long nanos) {
        Times times = trials == null ? null : trials.get(weight);
        if (times == null) {
            return;
        }
        if (touching) {
            times.bestTouching = Math.min(times.bestTouching, nanos);
        } else {
            times.bestStreaming = Math.min(times.bestStreaming, nanos);
        }
        if (times.asked == 2 * TRIALS) {
            settle();
        }
    }

    private void settle() {
        double gain = 0;
        for (Times times : java.util.Objects.requireNonNull(trials).values()) {
            if (times.asked > 1) {
                gain += (double) times.bestStreaming - times.bestTouching;
            }
        }
        touching = gain > 0;
        trials = null;
    }
}
