package dev.salient.pipeline;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.method.Tuning;
import dev.salient.model.ModelConfig;
import dev.salient.tune.Tuner;

/** What tuning takes of memory. */
final class TuneMemory {
    private TuneMemory() {}

    /** Rows of logits that a processor's caches like. */
    private static final int FEW_ROWS = 128;

    /** Rows that keep a GPU busy. */
    private static final int MANY_ROWS = 2048;

    /**
     * What fits beside what tuning must hold. A processor takes a batch's windows one by one, since that needs the least
     * memory and is as fast; a GPU takes them together, since each of its operations costs as much as a small one.
     *
     * @throws IllegalArgumentException where not even the least fits
     */
    static Tuner.Room room(ModelConfig config, Tuning tuning, int tokens, RunSettings.Machine machine) {
        boolean together = !machine.device().equals("cpu");
        int windows = together ? tuning.batch() : 1;
        int rows = together ? Math.min(MANY_ROWS, windows * tokens) : FEW_ROWS;
        long limit = machine.memoryBytes();
        long needed = needed(config, tuning, tokens, new Tuner.Room(0, windows, rows));
        require(
                needed <= limit,
                "--memory: got %d MB, want %d MB to tune this model: give more, or take fewer --tokens or smaller batches",
                limit >> 20,
                needed >> 20);
        long graphs = Math.min((limit - needed) / graph(config, tokens), (long) config.blockCount() * tuning.batch());
        return new Tuner.Room((int) graphs, windows, rows);
    }

    private static long needed(ModelConfig config, Tuning tuning, int tokens, Tuner.Room least) {
        long copies = switch (tuning.moves()) {
            case SCALES -> 3; // the original, values, levels
            case WEIGHTS, CODES, PV, STOCHASTIC -> 5; // and two moments, or one and how far codes were carried
        };
        copies += tuning.pull().needsFisher() ? 1 : 0;
        long weights = copies * config.linearWeightCount() * Float.BYTES;
        long ends = (config.tiedEmbeddings() ? 1L : 2L) * config.vocabSize() * config.hiddenSize() * Float.BYTES;
        ends *= tuning.embeddingRate() > 0
                ? 7
                : 2; // the original's and the tuned model's, a gradient, its sum, two moments
        long states = (long) tuning.batch() * tokens * config.hiddenSize() * (config.blockCount() + 1) * Float.BYTES;
        long logits = 5L * least.rows() * config.vocabSize() * Float.BYTES;
        long block = 6 * config.linearWeightCount() / config.blockCount() * Float.BYTES;
        return Plan.BASE_BYTES + weights + ends + states + logits + block + least.windows() * graph(config, tokens);
    }

    /** Bytes of one block's graph for one window. */
    private static long graph(ModelConfig config, int tokens) {
        return (long) tokens
                * (14L * config.hiddenSize() + 6L * config.ffnSize() + 2L * config.headCount() * tokens)
                * Float.BYTES;
    }
}
