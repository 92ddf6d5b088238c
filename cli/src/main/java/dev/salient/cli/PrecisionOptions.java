package dev.salient.cli;

import dev.salient.kernel.Activations;
import dev.salient.kernel.CacheType;
import dev.salient.model.Precision;
import dev.salient.packed.GroupFormat;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where a running model may round to be faster or smaller; a picocli mixin. */
final class PrecisionOptions {
    /** What {@code --head} takes. */
    private enum Head {
        STORED,
        Q8_0,
        Q4_0
    }

    @Option(
            names = "--activations",
            paramLabel = "f32|int8",
            description = "While writing, multiply with activations as they are (f32), or with tables of 8-bit products"
                    + " (int8), for weights of up to 4 bits: faster, a little rounded. Default: f32.",
            defaultValue = "f32")
    private Activations activations = Activations.F32;

    @Option(
            names = "--cache",
            paramLabel = "f32|f16|q8",
            description = "Keep keys and values as they are, in half or in a quarter of the memory. Default: f32.",
            defaultValue = "f32")
    private CacheType cache = CacheType.F32;

    @Option(
            names = "--head",
            paramLabel = "stored|q8_0|q4_0",
            description =
                    "Use the head as it is stored, or round it when the model is opened: on a small model the head"
                            + " is half of what each token reads. Default: stored.",
            defaultValue = "stored")
    private Head head = Head.STORED;

    Precision precision() {
        @Nullable
        GroupFormat format = switch (head) {
            case STORED -> null;
            case Q8_0 -> GroupFormat.Q8_0;
            case Q4_0 -> GroupFormat.Q4_0;
        };
        return new Precision(activations, cache, format);
    }
}
