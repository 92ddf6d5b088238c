package dev.salient.pipeline;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.method.Tuning;
import dev.salient.model.ModelConfig;

/** What tuning takes of memory. */
final class TuneMemory {
    private TuneMemory() {}

    /**
     * Of how many blocks of one window the graph fits beside what tuning must hold.
     *
     * @throws IllegalArgumentException where not even that fits
     */
    static int graphs(ModelConfig config, Tuning tuning, int tokens, long limit) {
        long needed = needed(config, tuning, tokens);
        require(
                needed <= limit,
                "--memory: got %d MB, want %d MB to tune this model: give more, or take fewer --tokens or a smaller --batch",
                limit >> 20,
                needed >> 20);
        return (int) Math.min((limit - needed) / graph(config, tokens), (long) config.blockCount() * tuning.batch());
    }

    private static long needed(ModelConfig config, Tuning tuning, int tokens) {
        long copies = switch (tuning.moves()) {
            case SCALES -> 3; // the original, values, levels
            case WEIGHTS, CODES, PV -> 5; // and two moments, or one and how far codes were carried
        };
        long weights = copies * config.linearWeightCount() * Float.BYTES;
        long ends = (config.tiedEmbeddings() ? 1L : 2L) * config.vocabSize() * config.hiddenSize() * Float.BYTES;
        long states = (long) tuning.batch() * tokens * config.hiddenSize() * (config.blockCount() + 1) * Float.BYTES;
        long logits = 5L * 128 * config.vocabSize() * Float.BYTES;
        long block = 6 * config.linearWeightCount() / config.blockCount() * Float.BYTES;
        return Plan.BASE_BYTES + weights + ends + states + logits + block + graph(config, tokens);
    }

    /** Bytes of one block's graph for one window. */
    private static long graph(ModelConfig config, int tokens) {
        return (long) tokens
                * (14L * config.hiddenSize() + 6L * config.ffnSize() + 2L * config.headCount() * tokens)
                * Float.BYTES;
    }
}
