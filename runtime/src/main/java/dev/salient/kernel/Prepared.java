package dev.salient.kernel;

import dev.salient.packed.Dense;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.Reordered;
import dev.salient.packed.ScaleMixture;
import org.jspecify.annotations.Nullable;

/**
 * A weight as vector kernels use it.
 *
 * @param base the weight without its adapter, columns in their stored order
 * @param strips the base's codes rearranged; null where it has none
 * @param codebooks the base's codebooks; null where it has none
 * @param adapter null where there is none
 * @param scales what the base, signs, is scaled with token by token; null where it is not
 * @param order in which the base's columns are stored; null where it is that of the channels
 */
record Prepared(
        PackedWeight base,
        @Nullable Strips strips,
        @Nullable Codebooks codebooks,
        @Nullable Adapter adapter,
        @Nullable TokenScales scales,
        @Nullable Reordered order) {
    static Prepared of(PackedWeight weight, Team team) {
        PackedWeight below = weight instanceof LowRank sum ? sum.base() : weight;
        Reordered order = below instanceof Reordered reordered ? reordered : null;

        PackedWeight base = order == null ? below : order.base();
        Strips strips = Strips.canHold(base) ? Strips.of(base, team) : null;
        Codebooks codebooks = Codebooks.canHold(base) ? Codebooks.of(base) : null;
        Adapter adapter = weight instanceof LowRank sum ? new Adapter(sum) : null;
        TokenScales scales = base instanceof ScaleMixture mixture ? TokenScales.of(mixture) : null;
        return new Prepared(base, strips, codebooks, adapter, scales, order);
    }

    /** A dense weight. */
    static Prepared of(Dense weight) {
        return new Prepared(weight, null, null, null, null, null);
    }

    /** The base alone, its columns in their stored order and not scaled. */
    Prepared bare() {
        return new Prepared(base, strips, codebooks, null, null, null);
    }

    int out() {
        return base.out();
    }

    int in() {
        return base.in();
    }
}
