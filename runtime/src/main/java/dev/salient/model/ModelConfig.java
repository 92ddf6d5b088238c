package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import org.jspecify.annotations.Nullable;

/**
 * The sizes and constants of a LLaMA-family model; what differs between families is data here.
 *
 * @param headSize channels of one attention head
 * @param contextLength tokens that the model was made for
 * @param ropeBase base of the rotary frequencies
 * @param ropeScaling LLaMA 3's stretching, or null
 * @param normEpsilon added to the mean square in RMSNorm
 * @param tiedEmbeddings whether the head is the embedding matrix
 */
public record ModelConfig(
        int hiddenSize,
        int ffnSize,
        int blockCount,
        int headCount,
        int kvHeadCount,
        int headSize,
        int vocabSize,
        int contextLength,
        double ropeBase,
        @Nullable RopeScaling ropeScaling,
        double normEpsilon,
        boolean tiedEmbeddings) {
    public ModelConfig {
        require(hiddenSize > 0, "hidden size: got %d, want more than 0", hiddenSize);
        require(ffnSize > 0, "ffn size: got %d, want more than 0", ffnSize);
        require(blockCount > 0, "blocks: got %d, want more than 0", blockCount);
        require(vocabSize > 0, "vocabulary: got %d, want more than 0", vocabSize);
        require(contextLength > 0, "context length: got %d, want more than 0", contextLength);
        require(headSize > 0 && headSize % 2 == 0, "head size: got %d, want an even number", headSize);
        require(
                kvHeadCount > 0 && headCount % kvHeadCount == 0,
                "heads: %d key/value heads do not divide %d heads",
                kvHeadCount,
                headCount);
    }

    /** Weights of the linear layers of all blocks: what bits per weight are counted over. */
    public long linearWeightCount() {
        long perBlock = 0;
        for (Linear linear : Linear.values()) {
            perBlock += (long) linear.out(this) * linear.in(this);
        }
        return Math.multiplyExact(perBlock, (long) blockCount);
    }

    /** The rotary frequency of each channel pair of a head, [headSize / 2], radians per token. */
    public double[] ropeFrequencies() {
        double[] frequencies = new double[headSize / 2];
        for (int i = 0; i < frequencies.length; i++) {
            double frequency = Math.pow(ropeBase, -2.0 * i / headSize);
            frequencies[i] = ropeScaling == null ? frequency : ropeScaling.scale(frequency);
        }
        return frequencies;
    }
}
