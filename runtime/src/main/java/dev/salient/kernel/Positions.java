package dev.salient.kernel;

import static dev.salient.tensor.Preconditions.require;

import java.util.List;
import java.util.stream.IntStream;

/** Consecutive places in a sequence: {@code first}, {@code first + 1}, ... */
public record Positions(int first, int count) {
    public Positions {
        require(first >= 0 && count > 0, "positions: got %d from %d, want at least 1 from 0 or later", count, first);
    }

    /** The place after the last. */
    public int end() {
        return first + count;
    }

    /** The place of every row of several sequences, one after the other. */
    static int[] places(List<Positions> sequences) {
        return sequences.stream()
                .flatMapToInt(s -> IntStream.range(s.first(), s.end()))
                .toArray();
    }
}
