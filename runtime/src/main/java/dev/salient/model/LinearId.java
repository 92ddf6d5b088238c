package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

/** One linear layer of one transformer block; written {@code 11.down}. */
public record LinearId(int block, Linear linear) {
    public LinearId {
        require(block >= 0, "block: got %d, want 0 or more", block);
    }

    @Override
    public String toString() {
        return block + "." + linear.label();
    }
}
