package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The sizes and constants of a model; what differs between families is data here.
 *
 * @param headSize channels of one attention head
 * @param contextLength tokens that the model was made for
 * @param ropeBase base of the rotary frequencies
 * @param ropeScaling what stretches them, or null
 * @param normEpsilon added to the mean square in RMSNorm
 * @param tiedEmbeddings whether the head is the embedding matrix
 * @param traits what is done otherwise than in LLaMA
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
        boolean tiedEmbeddings,
        Traits traits) {
    /** Channels that no model comes near. */
    private static final int MOST = 1 << 28;

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
        require(
                (long) headCount * headSize <= MOST && ffnSize <= MOST,
                "sizes: got %d heads of %d and ffn size %d, want at most %d channels",
                headCount,
                headSize,
                ffnSize,
                MOST);
        require(
                !(ropeScaling instanceof RopeScaling.Divisors each)
                        || each.divisors().size() == headSize / 2,
                "rope scaling: got another number of divisors, want %d",
                headSize / 2);
    }

    /** A LLaMA. */
    public ModelConfig(
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
        this(
                hiddenSize,
                ffnSize,
                blockCount,
                headCount,
                kvHeadCount,
                headSize,
                vocabSize,
                contextLength,
                ropeBase,
                ropeScaling,
                normEpsilon,
                tiedEmbeddings,
                Traits.llama(headSize));
    }

    public Family family() {
        return traits.family();
    }

    /** The norms of a block. */
    public List<Norm> norms() {
        return Norm.of(family());
    }

    /** What embeddings are multiplied with. */
    public float embeddingScale() {
        return family().scaledEmbeddings() ? (float) Math.sqrt(hiddenSize) : 1;
    }

    /** What products of queries and keys are multiplied with, the magnitude of the rotation among it. */
    public double attentionScale() {
        double magnitude = ropeScaling == null ? 1 : ropeScaling.magnitude();
        return traits.attentionScale() * magnitude * magnitude;
    }

    /** Whether a block sees through a sliding window. */
    public boolean isLocal(int block) {
        return traits.window() != null && traits.window().blocks().contains(block);
    }

    /** Tokens that a token of this block sees at most, itself among them. */
    public int windowOf(int block) {
        return traits.window() != null && isLocal(block) ? traits.window().tokens() : Integer.MAX_VALUE;
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
        return frequencies(ropeBase, ropeScaling);
    }

    /** Those of the blocks with a sliding window; null where they are those of the others. */
    public double @Nullable [] localRopeFrequencies() {
        SlidingWindow window = traits.window();
        return window == null || window.ropeBase() == 0 ? null : frequencies(window.ropeBase(), null);
    }

    private double[] frequencies(double base, @Nullable RopeScaling scaling) {
        double[] frequencies = new double[headSize / 2];
        for (int i = 0; i < frequencies.length; i++) {
            double frequency = Math.pow(base, -2.0 * i / headSize);
            frequencies[i] = scaling == null ? frequency : scaling.scale(i, frequency);
        }
        return frequencies;
    }
}
