package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * All weights of a model, as they are stored.
 *
 * @param embedding [vocab, hidden]
 * @param finalNorm [hidden], gain of the RMSNorm before the head
 * @param head [vocab, hidden]; the same object as {@code embedding} where embeddings are tied
 * @param intact keys and values of another model for the tokens that texts begin with, or null
 */
public record ModelWeights(
        ModelConfig config,
        PackedWeight embedding,
        List<BlockWeights> blocks,
        Tensor finalNorm,
        PackedWeight head,
        @Nullable IntactKv intact) {
    public ModelWeights {
        blocks = List.copyOf(blocks);
        require(blocks.size() == config.blockCount(), "blocks: got %d, want %d", blocks.size(), config.blockCount());
        requireShape("embedding", embedding, config.vocabSize(), config.hiddenSize());
        requireShape("head", head, config.vocabSize(), config.hiddenSize());
        for (int b = 0; b < blocks.size(); b++) {
            requireVectors(b, blocks.get(b), config);
            for (Linear linear : Linear.values()) {
                requireShape(
                        new LinearId(b, linear).toString(),
                        blocks.get(b).linear(linear),
                        linear.out(config),
                        linear.in(config));
            }
        }
        if (intact != null) {
            intact.requireFits(config);
        }
    }

    /** A model whose keys and values are its own. */
    public ModelWeights(
            ModelConfig config,
            PackedWeight embedding,
            List<BlockWeights> blocks,
            Tensor finalNorm,
            PackedWeight head) {
        this(config, embedding, blocks, finalNorm, head, null);
    }

    /** This model with such keys and values for the tokens that texts begin with. */
    public ModelWeights withIntact(@Nullable IntactKv other) {
        return new ModelWeights(config, embedding, blocks, finalNorm, head, other);
    }

    private static void requireVectors(int b, BlockWeights block, ModelConfig config) {
        require(
                block.norms().keySet().equals(Set.copyOf(config.norms())),
                "block %d: got norms %s, want %s",
                b,
                block.norms().keySet(),
                config.norms());
        require(
                block.biases().keySet().equals(config.traits().biased()),
                "block %d: got biases of %s, want %s",
                b,
                block.biases().keySet(),
                config.traits().biased());
        block.norms().forEach((norm, gain) -> requireLength(b + "." + norm.label(), gain, norm.channels(config)));
        block.biases()
                .forEach((linear, bias) -> requireLength(new LinearId(b, linear) + " bias", bias, linear.out(config)));
    }

    private static void requireLength(String what, Tensor vector, int length) {
        require(vector.shape().equals(Shape.of(length)), "%s: got %s, want %s", what, vector.shape(), Shape.of(length));
    }

    private static void requireShape(String what, PackedWeight weight, int out, int in) {
        require(
                weight.out() == out && weight.in() == in,
                "%s: got [%d, %d], want [%d, %d]",
                what,
                weight.out(),
                weight.in(),
                out,
                in);
    }
}
