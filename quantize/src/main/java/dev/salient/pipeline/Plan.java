package dev.salient.pipeline;

import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.method.Stage;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a run will come to, computed before it starts.
 *
 * @param bitsPerWeight of the block linears: codes, scales, zero points where they vary, adapters
 * @param memoryBytes at the peak
 * @param diskBytes in the folder and beside it
 * @param spills whether hidden states go to disk
 * @param work floating-point operations of matrix products
 * @param gemmRate measured, operations a second
 */
public record Plan(
        double bitsPerWeight, long memoryBytes, long diskBytes, boolean spills, double work, double gemmRate) {
    /** The share of the measured rate that training reaches; it has its attention and element-wise work too. */
    private static final double EXPECTED_SHARE = 0.55;

    /** The JVM, libtorch and their code. */
    static final long BASE_BYTES = 600L << 20;

    /** The time that it will take, roughly. */
    public Duration duration() {
        return Duration.ofSeconds((long) Math.ceil(work / (gemmRate * EXPECTED_SHARE)));
    }

    /** Bits per weight of the block linears, by the grids alone. */
    static double bitsPerWeight(ModelConfig config, Method method, Map<LinearId, Grid> kept) {
        return bitsPerWeight(config, method, kept, Map.of());
    }

    /**
     * Bits per weight of the block linears.
     *
     * @param ranks of adapters, where linears have ranks of their own
     */
    static double bitsPerWeight(
            ModelConfig config, Method method, Map<LinearId, Grid> kept, Map<LinearId, Integer> ranks) {
        double bits = 0;
        for (int block = 0; block < config.blockCount(); block++) {
            for (Linear linear : Linear.values()) {
                long out = linear.out(config);
                long in = linear.in(config);
                LinearId id = new LinearId(block, linear);
                Grid own = kept.get(id);
                Grid grid = own == null ? method.grid() : own;
                bits += grid.bitsPerWeight((int) out, (int) in) * out * in;
                bits += own == null ? adapterBits(method, ranks.get(id), out, in) : 0;
            }
        }
        return bits / config.linearWeightCount();
    }

    private static long adapterBits(Method method, @Nullable Integer rank, long out, long in) {
        return rank != null && method instanceof Method.PartialRetraining own
                ? own.adapters().withRank(rank).bits(out, in)
                : method.adapterBits(out, in);
    }

    /** Operations of the matrix products: forward, gradient by inputs, gradient by weights of every step. */
    static double trainingWork(ModelConfig config, Method method, int samples, int tokens) {
        double forward = 2.0 * config.linearWeightCount() * samples * tokens;
        return switch (method) {
            case Method.Rtn rtn -> 0;
            case Method.Hqq hqq -> 0;
            case Method.ErrorAdapter adapter -> adapter.looksAtInputs() ? 2 * forward : 0;
            case Method.Gptq gptq -> 2 * forward;
            case Method.Gsq gsq -> forward * (5 + 6 * gsq.epochs());
            case Method.Aqlm aqlm -> forward * (5 + 3 * aqlm.epochs());
            case Method.PartialRetraining retraining -> {
                int epochs = retraining.stages().stream()
                        .filter(stage -> stage.objective().fitsOutput())
                        .mapToInt(Stage::epochs)
                        .sum();
                double heldOut = (double) retraining.heldOut().windows() / samples;
                yield forward * (3 + 3 * epochs + heldOut * (1 + epochs));
            }
        };
    }

    /** Operations of a saliency pass: forward, forward again, and both gradients; the head once forward and back. */
    static double saliencyWork(ModelConfig config, int samples, int tokens) {
        double positions = (double) samples * tokens;
        return 8.0 * config.linearWeightCount() * positions
                + 4.0 * config.vocabSize() * config.hiddenSize() * positions;
    }

    /** Bytes of the streams: clean, degraded, and a scratch for the targets of one block. */
    static long streamBytes(ModelConfig config, int samples, int tokens) {
        return 3L * samples * tokens * config.hiddenSize() * Float.BYTES;
    }

    /** Bytes beside the streams: one block in training, and the states of one sample. */
    static long workingBytes(ModelConfig config, Method method, int samples, int tokens) {
        long block = config.linearWeightCount() / config.blockCount() * Float.BYTES;
        long sample = (long) tokens
                * (12L * config.hiddenSize() + 6L * config.ffnSize() + 4L * config.headCount() * tokens)
                * Float.BYTES;
        boolean trainsWeights = method instanceof Method.PartialRetraining own && own.trainsWeights();
        if (method instanceof Method.Gsq) {
            // of each of up to four codes logit, its moment, share and gradient, of half a block or a little more
            return BASE_BYTES + 20 * block + sample;
        }
        // weight, value, gradient, their parts; and a trained copy, its gradient and two moments
        return BASE_BYTES + (trainsWeights ? 10 : 6) * block + sample + inputBytes(config, method, samples, tokens);
    }

    /** What linears are fed on both streams, the widest of them, where they are fitted one after the other. */
    private static long inputBytes(ModelConfig config, Method method, int samples, int tokens) {
        boolean fitsLinears = method instanceof Method.PartialRetraining own && own.scope() == Method.Scope.LINEARS;
        long widest = Arrays.stream(Linear.values())
                .mapToInt(linear -> linear.in(config))
                .max()
                .orElse(0);
        return fitsLinears ? 2L * samples * tokens * widest * Float.BYTES : 0;
    }
}
