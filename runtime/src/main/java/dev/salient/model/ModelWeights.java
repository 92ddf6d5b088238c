package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Tensor;
import java.util.List;

/**
 * All weights of a model, as they are stored.
 *
 * @param embedding [vocab, hidden]
 * @param finalNorm [hidden], gain of the RMSNorm before the head
 * @param head [vocab, hidden]; the same object as {@code embedding} where embeddings are tied
 */
public record ModelWeights(
        ModelConfig config, PackedWeight embedding, List<BlockWeights> blocks, Tensor finalNorm, PackedWeight head) {
    public ModelWeights {
        blocks = List.copyOf(blocks);
        require(blocks.size() == config.blockCount(), "blocks: got %d, want %d", blocks.size(), config.blockCount());
        requireShape("embedding", embedding, config.vocabSize(), config.hiddenSize());
        requireShape("head", head, config.vocabSize(), config.hiddenSize());
        for (int b = 0; b < blocks.size(); b++) {
            for (Linear linear : Linear.values()) {
                requireShape(
                        new LinearId(b, linear).toString(),
                        blocks.get(b).linear(linear),
                        linear.out(config),
                        linear.in(config));
            }
        }
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
