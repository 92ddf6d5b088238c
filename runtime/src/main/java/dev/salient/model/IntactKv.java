package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.util.List;

/**
 * The keys and values that the original model has for the tokens with which texts begin, for a quantized model to use instead of its own
 * (<a href="https://arxiv.org/abs/2403.01241">IntactKV</a>, section 3.2).
 *
 * <p>A token's keys and values depend on it and on those before it alone. So they hold as far as a text agrees with {@code tokens}, be it
 * not to their end.
 *
 * @param tokens ids, at least one
 * @param keys [blocks, tokens, kvHeads * headSize], fp16; rotated to positions 0, 1, ...
 * @param values [blocks, tokens, kvHeads * headSize], fp16
 */
public record IntactKv(List<Integer> tokens, Tensor keys, Tensor values) {
    public IntactKv {
        tokens = List.copyOf(tokens);
        require(!tokens.isEmpty(), "intact keys and values: got no tokens, want at least 1");
        require(
                keys.dtype() == DType.F16 && values.dtype() == DType.F16,
                "intact keys and values: got %s and %s, want F16",
                keys.dtype(),
                values.dtype());
        require(
                keys.shape().rank() == 3
                        && keys.shape().dimension(1) == tokens.size()
                        && keys.shape().equals(values.shape()),
                "intact keys and values: got %s and %s, want both [blocks, %d, channels]",
                keys.shape(),
                values.shape(),
                tokens.size());
    }

    /** The shape of keys and of values. */
    public static Shape shape(ModelConfig config, int tokens) {
        return Shape.of(config.blockCount(), tokens, Linear.K.out(config));
    }

    void requireFits(ModelConfig config) {
        require(
                keys.shape().equals(shape(config, tokens.size())),
                "intact keys: got %s, want %s",
                keys.shape(),
                shape(config, tokens.size()));
        for (int id : tokens) {
            require(
                    id >= 0 && id < config.vocabSize(),
                    "intact keys: got token %d, want 0 to %d",
                    id,
                    config.vocabSize() - 1);
        }
    }

    /**
     * How many of a text's tokens from its start on agree with these.
     *
     * @param known how many of the text before {@code ids} do
     * @param ids the text's tokens after those {@code known}
     * @param from where in {@code ids} they start
     */
    int agreeing(int known, int[] ids, int from) {
        int agreeing = known;
        while (agreeing < tokens.size()
                && from + agreeing - known < ids.length
                && tokens.get(agreeing) == ids[from + agreeing - known]) {
            agreeing++;
        }
        return agreeing;
    }

    /** How many of a text's tokens from its start on agree with these. */
    public int agreeing(int[] ids) {
        return agreeing(0, ids, 0);
    }

    /** Keys of a block, [tokens, kvHeads * headSize]. */
    public float[] keys(int block) {
        return part(keys, block);
    }

    /** Values of a block, [tokens, kvHeads * headSize]. */
    public float[] values(int block) {
        return part(values, block);
    }

    private static float[] part(Tensor all, int block) {
        float[] part = new float[all.shape().dimension(1) * all.shape().dimension(2)];
        for (int i = 0; i < part.length; i++) {
            part[i] = all.get((long) block * part.length + i);
        }
        return part;
    }

    /** Bits that they are stored in. */
    public long bits() {
        return 2 * Short.SIZE * keys.shape().elementCount();
    }

    /** Bits that those of some tokens would be stored in. */
    public static long bits(ModelConfig config, int tokens) {
        return 2 * Short.SIZE * shape(config, tokens).elementCount();
    }
}
