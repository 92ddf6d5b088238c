package dev.salient.kernel;

import static dev.salient.kernel.MicroKernel.ROWS;
import static dev.salient.kernel.MicroKernel.WIDTH;

import java.util.Arrays;

/**
 * Attention of four query rows at a time over the cached tokens; one member's own buffers.
 *
 * <p>The query heads that share a key/value head are rows of one small matrix, token by token. Its products with the
 * keys and with the values run through the same micro-kernel as linear layers.
 */
final class VectorAttention {
    private final MicroKernel kernel = new MicroKernel();
    /** [4, headSize], times 1 / sqrt(headSize). */
    private float[] queries = new float[0];
    /** [4, positions rounded up]. */
    private float[] weights = new float[0];
    /** [4, headSize rounded up]. */
    private float[] mixed = new float[0];

    /** Query rows that share a key/value head, over all tokens. */
    static int rowCount(KvShape shape, int tokens) {
        return shape.headsPerKv() * tokens;
    }

    /**
     * One tile of rows of one key/value head.
     *
     * @param task the arrays and where the tokens stand
     * @param firstRow row {@code token * headsPerKv + head}
     */
    void attend(Task task, int kvHead, int firstRow) {
        KvShape shape = task.cache().shape();
        int lastRow = Math.min(firstRow + ROWS, rowCount(shape, task.positions().count())) - 1;
        int longest = task.positions().first() + lastRow / shape.headsPerKv() + 1;
        int stride = (longest + WIDTH - 1) / WIDTH * WIDTH;
        reserve(shape.headSize(), task.cache().channelPanels() * WIDTH, stride);
        for (int r = 0; r < ROWS; r++) {
            int at = place(task, kvHead, Math.min(firstRow + r, lastRow));
            float scale = (float) (1 / Math.sqrt(shape.headSize()));
            for (int i = 0; i < shape.headSize(); i++) {
                queries[r * shape.headSize() + i] = task.query()[at + i] * scale;
            }
        }
        scores(task.cache(), kvHead, longest, stride);
        for (int r = 0; r < ROWS; r++) {
            int row = Math.min(firstRow + r, lastRow);
            int keys = task.positions().first() + row / shape.headsPerKv() + 1;
            Elementwise.softmax(weights, r * stride, keys);
            Arrays.fill(weights, r * stride + keys, r * stride + stride, 0);
        }
        mix(task.cache(), kvHead, longest, stride);
        for (int r = 0; firstRow + r <= lastRow; r++) {
            int from = r * task.cache().channelPanels() * WIDTH;
            System.arraycopy(mixed, from, task.mixed(), place(task, kvHead, firstRow + r), shape.headSize());
        }
    }

    /** Where a row's head starts in the query and in the result. */
    private static int place(Task task, int kvHead, int row) {
        KvShape shape = task.cache().shape();
        int token = row / shape.headsPerKv();
        int head = kvHead * shape.headsPerKv() + row % shape.headsPerKv();
        return (token * shape.heads() + head) * shape.headSize();
    }

    private void reserve(int headSize, int headWidth, int stride) {
        if (queries.length < ROWS * headSize) {
            queries = new float[ROWS * headSize];
        }
        if (weights.length < ROWS * stride) {
            weights = new float[2 * ROWS * stride];
        }
        if (mixed.length < ROWS * headWidth) {
            mixed = new float[ROWS * headWidth];
        }
    }

    private void scores(KvBlock cache, int kvHead, int longest, int stride) {
        kernel.depth = cache.shape().headSize();
        kernel.a = queries;
        kernel.aAt = 0;
        kernel.aStride = cache.shape().headSize();
        kernel.b = cache.keys();
        kernel.c = weights;
        kernel.cStride = stride;
        for (int position = 0; position < longest; position += WIDTH) {
            kernel.bAt = cache.keyPanel(kvHead, position);
            kernel.cAt = position;
            kernel.run();
        }
    }

    private void mix(KvBlock cache, int kvHead, int longest, int stride) {
        kernel.depth = longest;
        kernel.a = weights;
        kernel.aAt = 0;
        kernel.aStride = stride;
        kernel.b = cache.values();
        kernel.c = mixed;
        kernel.cStride = cache.channelPanels() * WIDTH;
        for (int panel = 0; panel < cache.channelPanels(); panel++) {
            kernel.bAt = cache.valuePanel(kvHead, panel * WIDTH);
            kernel.cAt = panel * WIDTH;
            kernel.run();
        }
    }

    /**
     * One call of {@link Kernels#attend}.
     *
     * @param query [tokens, heads * headSize]
     * @param mixed [tokens, heads * headSize], overwritten
     */
    @SuppressWarnings("ArrayRecordComponent")
    record Task(KvBlock cache, Positions positions, float[] query, float[] mixed) {}
}
