package dev.salient.kernel;

import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import org.jspecify.annotations.Nullable;

/**
 * A weight as vector kernels use it.
 *
 * @param base the weight without its adapter
 * @param strips the base's codes rearranged; null where it has none
 * @param adapter null where there is none
 */
record Prepared(
        PackedWeight base,
        @Nullable Strips strips,
        @Nullable Adapter adapter) {
    static Prepared of(PackedWeight weight, Team team) {
        PackedWeight base = weight instanceof LowRank sum ? sum.base() : weight;
        Strips strips = Strips.canHold(base) ? Strips.of(base, team) : null;
        return new Prepared(base, strips, weight instanceof LowRank sum ? new Adapter(sum) : null);
    }

    int out() {
        return base.out();
    }

    int in() {
        return base.in();
    }
}
