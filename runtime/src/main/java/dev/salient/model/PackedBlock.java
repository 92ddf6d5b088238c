package dev.salient.model;

import dev.salient.kernel.Gate;
import dev.salient.kernel.KvShape;
import dev.salient.kernel.RmsNorm;
import dev.salient.kernel.Rope;
import dev.salient.kernel.ScoreRule;
import dev.salient.packed.PackedWeight;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A block's weights as the forward pass takes them; what its family doesn't have is null. */
final class PackedBlock {
    final RmsNorm attentionNorm;
    final @Nullable RmsNorm queryNorm;
    final @Nullable RmsNorm keyNorm;
    final @Nullable RmsNorm attentionOutputNorm;
    final RmsNorm mlpNorm;
    final @Nullable RmsNorm mlpOutputNorm;
    /** Q, K and V. */
    final Linears attentionInputs;

    final Linears attentionOutput;
    /** Gate and up. */
    final Linears mlpInputs;

    final Linears mlpOutput;
    final Gate activation;
    final Rope rope;

    PackedBlock(ModelConfig config, BlockWeights block, Rope rope) {
        attentionNorm = new RmsNorm(block.norm(Norm.ATTENTION), config.normEpsilon());
        queryNorm = find(config, block, Norm.QUERY);
        keyNorm = find(config, block, Norm.KEY);
        attentionOutputNorm = find(config, block, Norm.ATTENTION_OUTPUT);
        mlpNorm = new RmsNorm(block.norm(Norm.MLP), config.normEpsilon());
        mlpOutputNorm = find(config, block, Norm.MLP_OUTPUT);
        attentionInputs = Linears.of(block, Linear.Q, Linear.K, Linear.V);
        attentionOutput = Linears.of(block, Linear.O);
        mlpInputs = Linears.of(block, Linear.GATE, Linear.UP);
        mlpOutput = Linears.of(block, Linear.DOWN);
        activation = config.family().gelu() ? Gate.GELU : Gate.SILU;
        this.rope = rope;
    }

    private static @Nullable RmsNorm find(ModelConfig config, BlockWeights block, Norm norm) {
        var gain = block.findNorm(norm);
        return gain == null ? null : new RmsNorm(gain, config.normEpsilon());
    }

    /** The cache that attention of a block needs. */
    static KvShape kvShape(ModelConfig config, int block, int capacity) {
        ScoreRule rule = new ScoreRule(config.attentionScale(), config.traits().attentionCap(), config.windowOf(block));
        return new KvShape(config.headCount(), config.kvHeadCount(), config.headSize(), capacity, rule);
    }

    /**
     * Linears that share their input.
     *
     * @param biases [out] of each, or empty; no list at all where none has one
     */
    record Linears(List<PackedWeight> weights, List<float[]> biases) {
        static Linears of(BlockWeights block, Linear... linears) {
            List<PackedWeight> weights =
                    Arrays.stream(linears).map(block::linear).toList();
            List<float[]> biases = new ArrayList<>();
            for (Linear linear : linears) {
                var bias = block.findBias(linear);
                biases.add(bias == null ? new float[0] : bias.toFloats());
            }
            return new Linears(weights, biases.stream().allMatch(bias -> bias.length == 0) ? List.of() : biases);
        }
    }
}
