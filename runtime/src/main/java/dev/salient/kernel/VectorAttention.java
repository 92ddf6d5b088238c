package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;
import static dev.salient.kernel.MicroKernel.ROWS;
import static dev.salient.kernel.MicroKernel.WIDTH;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Attention of some query rows over the cached tokens, block by block with an online softmax; one member's own buffers.
 *
 * <p>The query heads that share a key/value head are rows of one small matrix, token by token. Its products with the
 * keys and with the values run through the same micro-kernel as linear layers. After each block a row keeps its largest
 * score m, the sum of {@code exp(score - m)} and the values weighed by them; a larger m scales down what there is.
 */
final class VectorAttention {
    /** Positions of a block. */
    private static final int BLOCK = 64;
    /** Rows that share the widened keys and values of a block. */
    static final int ITEM_ROWS = 32;
    /** Positions of one item where there are few rows: more items than heads keep all threads busy. */
    private static final int PART = 4 * BLOCK;

    private final MicroKernel kernel = new MicroKernel();
    /** [ITEM_ROWS, headSize], times the rule's scale. */
    private float[] queries = new float[0];
    /** [4, BLOCK]. */
    private final float[] weights = new float[ROWS * BLOCK];
    /** [4, headWidth], what a block adds. */
    private float[] change = new float[0];
    /** Keys of a block, [BLOCK / WIDTH, headSize, WIDTH], where they have to be widened. */
    private float[] keys = new float[0];
    /** Values of a block, [headWidth / WIDTH, BLOCK, WIDTH], where they have to be widened. */
    private float[] values = new float[0];

    /**
     * One sequence of a call of {@link Kernels#attend}.
     *
     * @param firstToken row of query and mixed at which the sequence starts
     * @param query [tokens, heads * headSize]
     * @param mixed [tokens, heads * headSize], overwritten
     */
    @SuppressWarnings("ArrayRecordComponent")
    record Task(KvBlock cache, Positions positions, int firstToken, float[] query, float[] mixed) {
        int rows() {
            return cache.shape().headsPerKv() * positions.count();
        }

        /** Groups of rows of a key/value head. */
        int rowGroups() {
            return (rows() + ITEM_ROWS - 1) / ITEM_ROWS;
        }

        /** Parts of the positions that are items of their own. */
        int parts() {
            return rowGroups() > 1 ? 1 : (positions.end() + PART - 1) / PART;
        }

        /** Row groups of all key/value heads. */
        int groups() {
            return cache.shape().kvHeads() * rowGroups();
        }

        int items() {
            return groups() * parts();
        }

        /** Padded channels of a head. */
        private int headWidth() {
            return cache.channelPanels() * WIDTH;
        }

        /** Numbers of an item's state: largest score and sum of each row, then the values mixed so far. */
        int stateSize() {
            return ITEM_ROWS * (2 + headWidth());
        }

        /** Where a row's head starts in the query and in the result. */
        private int place(int kvHead, int row) {
            KvShape shape = cache.shape();
            int token = firstToken + row / shape.headsPerKv();
            int head = kvHead * shape.headsPerKv() + row % shape.headsPerKv();
            return (token * shape.heads() + head) * shape.headSize();
        }

        /** Positions that a row sees. */
        private int seen(int row) {
            return positions.first() + row / cache.shape().headsPerKv() + 1;
        }

        /** Positions before the first that a row sees. */
        private int hidden(int row) {
            return cache.shape().rule().firstSeen(seen(row));
        }
    }

    /**
     * Does one item; {@link #finish} follows when all are done.
     *
     * @param states of all items, {@link Task#stateSize} numbers each
     * @param from where those of this task start
     */
    void attend(Task task, int item, float[] states, int from) {
        KvShape shape = task.cache().shape();
        int part = item % task.parts();
        int kvHead = item / task.parts() % shape.kvHeads();
        int firstRow = item / task.parts() / shape.kvHeads() * ITEM_ROWS;
        int rows = Math.min(ITEM_ROWS, task.rows() - firstRow);
        int end = task.seen(firstRow + rows - 1);
        if (task.parts() > 1) {
            end = Math.min(end, (part + 1) * PART);
        }
        reserve(task);
        for (int r = 0; r < roundUp(rows); r++) {
            int at = task.place(kvHead, firstRow + Math.min(r, rows - 1));
            float scale = (float) shape.rule().scale();
            for (int i = 0; i < shape.headSize(); i++) {
                queries[r * shape.headSize() + i] = task.query()[at + i] * scale;
            }
        }
        int state = from + item * task.stateSize();
        Arrays.fill(states, state, state + ITEM_ROWS, Float.NEGATIVE_INFINITY);
        Arrays.fill(states, state + ITEM_ROWS, state + task.stateSize(), 0);
        int begin = Math.max(part * PART, task.hidden(firstRow) / BLOCK * BLOCK);
        for (int position = begin; position < end; position += BLOCK) {
            Positions block = new Positions(position, Math.min(BLOCK, end - position));
            widen(task.cache(), kvHead, block);
            for (int r = 0; r < rows; r += ROWS) {
                int last = firstRow + Math.min(r + ROWS, rows) - 1;
                if (task.seen(last) > position) {
                    addBlock(task, kvHead, block, firstRow, r, last, states, state);
                }
            }
        }
    }

    private static int roundUp(int rows) {
        return (rows + ROWS - 1) / ROWS * ROWS;
    }

    private void reserve(Task task) {
        int headSize = task.cache().shape().headSize();
        if (queries.length < ITEM_ROWS * headSize) {
            queries = new float[ITEM_ROWS * headSize];
        }
        if (change.length < ROWS * task.headWidth()) {
            change = new float[ROWS * task.headWidth()];
        }
        if (task.cache().type() != CacheType.F32 && keys.length < BLOCK * task.headWidth()) {
            keys = new float[BLOCK * task.headWidth()];
            values = new float[BLOCK * task.headWidth()];
        }
    }

    private void widen(KvBlock cache, int kvHead, Positions block) {
        if (cache.type() == CacheType.F32) {
            return;
        }
        int panel = cache.shape().headSize() * WIDTH;
        for (int i = 0; i < block.count(); i += WIDTH) {
            cache.widenKeys(kvHead, block.first() + i, keys, i / WIDTH * panel);
        }
        for (int p = 0; p < cache.channelPanels(); p++) {
            cache.widenValues(kvHead, p * WIDTH, block, values, p * BLOCK * WIDTH);
        }
    }

    /** Takes a block into the state of rows {@code first + r} to {@code last}. */
    private void addBlock(
            Task task, int kvHead, Positions block, int first, int r, int last, float[] states, int state) {
        scores(task.cache(), kvHead, block, r);
        for (int i = 0; i < ROWS; i++) {
            int row = Math.min(first + r + i, last);
            int seen = Math.clamp(task.seen(row) - block.first(), 0, block.count());
            int hidden = Math.clamp(task.hidden(row) - block.first(), 0, block.count());
            if (seen <= hidden) {
                Arrays.fill(weights, i * BLOCK, (i + 1) * BLOCK, 0);
                continue;
            }
            Arrays.fill(weights, i * BLOCK, i * BLOCK + hidden, Float.NEGATIVE_INFINITY);
            Arrays.fill(weights, i * BLOCK + seen, (i + 1) * BLOCK, Float.NEGATIVE_INFINITY);
            int largestAt = state + r + i;
            float before = states[largestAt];
            float largest = Math.max(before, Elementwise.max(weights, i * BLOCK, BLOCK));
            float sum = Elementwise.expOfDifference(weights, i * BLOCK, BLOCK, largest);
            float factor = before == Float.NEGATIVE_INFINITY ? 0 : (float) Math.exp(before - largest);
            states[largestAt] = largest;
            states[largestAt + ITEM_ROWS] = states[largestAt + ITEM_ROWS] * factor + sum;
            if (factor != 1) {
                int mixed = state + 2 * ITEM_ROWS + (r + i) * task.headWidth();
                Elementwise.scale(states, mixed, task.headWidth(), factor);
            }
        }
        mix(task, kvHead, block, states, state + 2 * ITEM_ROWS + r * task.headWidth());
    }

    private void scores(KvBlock cache, int kvHead, Positions block, int r) {
        int headSize = cache.shape().headSize();
        boolean wide = cache.type() == CacheType.F32;
        kernel.depth = headSize;
        kernel.a = queries;
        kernel.aAt = r * headSize;
        kernel.aStride = headSize;
        kernel.b = wide ? cache.keys() : keys;
        kernel.c = weights;
        kernel.cStride = BLOCK;
        for (int i = 0; i < block.count(); i += WIDTH) {
            kernel.bAt = wide ? cache.keyPanel(kvHead, block.first() + i) : i * headSize;
            kernel.cAt = i;
            kernel.run();
        }
        double cap = cache.shape().rule().cap();
        if (cap != 0) {
            Elementwise.cap((float) cap, weights, 0, ROWS * BLOCK);
        }
    }

    private void mix(Task task, int kvHead, Positions block, float[] states, int to) {
        KvBlock cache = task.cache();
        boolean wide = cache.type() == CacheType.F32;
        kernel.depth = block.count();
        kernel.a = weights;
        kernel.aAt = 0;
        kernel.aStride = BLOCK;
        kernel.b = wide ? cache.values() : values;
        kernel.c = change;
        kernel.cStride = task.headWidth();
        for (int p = 0; p < cache.channelPanels(); p++) {
            kernel.bAt = wide ? cache.valuePanel(kvHead, p * WIDTH) + block.first() * WIDTH : p * BLOCK * WIDTH;
            kernel.cAt = p * WIDTH;
            kernel.run();
        }
        for (int i = 0; i < ROWS * task.headWidth(); i += COUNT) {
            FloatVector sum = FloatVector.fromArray(FLOATS, states, to + i);
            sum.add(FloatVector.fromArray(FLOATS, change, i)).intoArray(states, to + i);
        }
    }

    /** Brings the parts of one row group of a key/value head together and writes its rows. */
    static void finish(Task task, int group, float[] states, int start) {
        KvShape shape = task.cache().shape();
        int kvHead = group % shape.kvHeads();
        int firstRow = group / shape.kvHeads() * ITEM_ROWS;
        int width = task.headWidth();
        for (int r = 0; r < Math.min(ITEM_ROWS, task.rows() - firstRow); r++) {
            int to = task.place(kvHead, firstRow + r);
            int firstState = start + group * task.parts() * task.stateSize();
            float largest = Float.NEGATIVE_INFINITY;
            for (int p = 0; p < task.parts(); p++) {
                largest = Math.max(largest, states[firstState + p * task.stateSize() + r]);
            }
            float total = 0;
            Arrays.fill(task.mixed(), to, to + shape.headSize(), 0);
            for (int p = 0; p < task.parts(); p++) {
                int state = firstState + p * task.stateSize();
                float factor = (float) Math.exp(states[state + r] - largest);
                total += factor * states[state + ITEM_ROWS + r];
                int from = state + 2 * ITEM_ROWS + r * width;
                for (int i = 0; i < shape.headSize(); i++) {
                    task.mixed()[to + i] += factor * states[from + i];
                }
            }
            for (int i = 0; i < shape.headSize(); i++) {
                task.mixed()[to + i] /= total;
            }
        }
    }
}
