package dev.salient.format.gguf;

import dev.salient.model.Linear;
import java.util.function.IntUnaryOperator;

/**
 * The order of a matrix's rows: GGUF stores the two channels of a rotary pair of Q and K side by side, we half a head
 * apart.
 *
 * @param inFile where a row of ours stands in a file
 * @param inModel which of our rows stands at a row of a file
 */
record RowOrder(IntUnaryOperator inFile, IntUnaryOperator inModel) {
    static RowOrder same() {
        return new RowOrder(IntUnaryOperator.identity(), IntUnaryOperator.identity());
    }

    /** The order of a linear's output channels. */
    static RowOrder of(Linear linear, int headSize) {
        int half = headSize / 2;
        return switch (linear) {
            case Q, K ->
                new RowOrder(
                        row -> {
                            int channel = row % headSize;
                            return row - channel + 2 * (channel % half) + channel / half;
                        },
                        row -> {
                            int channel = row % headSize;
                            return row - channel + channel % 2 * half + channel / 2;
                        });
            case V, O, GATE, UP, DOWN -> same();
        };
    }
}
