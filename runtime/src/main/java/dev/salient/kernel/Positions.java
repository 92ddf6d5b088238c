package dev.salient.kernel;

import static dev.salient.tensor.Preconditions.require;

import java.util.List;

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
        int rows = 0;
        for (Positions sequence : sequences) {
            rows += sequence.count;
        }
        int[] places = new int[rows];
        int row = 0;
        for (Positions sequence : sequences) {
            for (int place = sequence.first; place < sequence.end(); place++) {
                places[row++] = place;
            }
        }
        return places;
    }
}
