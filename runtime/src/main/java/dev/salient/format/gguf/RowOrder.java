package dev.salient.format.gguf;

import dev.salient.model.Linear;
import dev.salient.tensor.Tensor;
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

    /** The order of a linear's output channels: only architecture {@code llama} has one of its own. */
    static RowOrder of(GgufFamily family, Linear linear, int headSize) {
        return family == GgufFamily.LLAMA ? llama(linear, headSize) : same();
    }

    /** A bias of ours from a file's. */
    Tensor inOurOrder(Tensor stored) {
        float[] values = new float[Math.toIntExact(stored.shape().elementCount())];
        for (int row = 0; row < values.length; row++) {
            values[row] = stored.get(inFile.applyAsInt(row));
        }
        return Tensor.ofFloats(stored.shape(), values);
    }

    /** A file's bias from ours. */
    float[] inFileOrder(Tensor bias) {
        float[] values = new float[Math.toIntExact(bias.shape().elementCount())];
        for (int row = 0; row < values.length; row++) {
            values[row] = bias.get(inModel.applyAsInt(row));
        }
        return values;
    }

    private static RowOrder llama(Linear linear, int headSize) {
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
