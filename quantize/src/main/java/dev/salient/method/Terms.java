package dev.salient.method;

import static dev.salient.method.Settings.require;

/**
 * What a stage's output loss is made of beside squared differences: {@code (1 - sum of w) squared + sum of w c term}, where c
 * makes the term as large as the squared differences when its first stage begins.
 *
 * @param slicedWasserstein w of the distance between the distributions of the block's outputs
 * @param attention w of the divergence between attention maps
 */
public record Terms(double slicedWasserstein, double attention) {
    /** Squared differences alone. */
    public static final Terms NONE = new Terms(0, 0);

    public Terms {
        require(slicedWasserstein >= 0, "sw: got %s, want 0 or more", slicedWasserstein);
        require(attention >= 0, "attention: got %s, want 0 or more", attention);
        require(
                slicedWasserstein + attention <= 1,
                "sw and attention: got %s in all, want at most 1",
                slicedWasserstein + attention);
    }

    /** What is left for squared differences. */
    public double squared() {
        return 1 - slicedWasserstein - attention;
    }
}
