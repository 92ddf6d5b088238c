package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import java.util.Comparator;

/** One linear layer of one transformer block; written {@code 11.down}. In order: by block, then as in {@link Linear}. */
public record LinearId(int block, Linear linear) implements Comparable<LinearId> {
    private static final Comparator<LinearId> ORDER =
            Comparator.comparingInt(LinearId::block).thenComparing(LinearId::linear);

    public LinearId {
        require(block >= 0, "block: got %d, want 0 or more", block);
    }

    @Override
    public int compareTo(LinearId other) {
        return ORDER.compare(this, other);
    }

    @Override
    public String toString() {
        return block + "." + linear.label();
    }
}
