package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.kernel.CacheType;
import dev.salient.kernel.Kernels;
import dev.salient.kernel.KvBlock;
import dev.salient.kernel.KvShape;
import dev.salient.kernel.Positions;
import dev.salient.kernel.RmsNorm;
import dev.salient.kernel.Rope;
import dev.salient.packed.PackedWeight;
import java.util.ArrayList;
import java.util.List;

/**
 * A LLaMA-family model that computes on packed weights as they are stored; activations and cache are fp32.
 *
 * <p>Tokens are taken in chunks: many at once while a prompt is read, one at a time while text is generated. An object
 * is used by one thread at a time and has threads of its own; closing it ends them.
 */
public final class PackedLanguageModel implements LanguageModel, AutoCloseable {
    /** Tokens that run through the blocks together. */
    private static final int CHUNK = 512;

    /** Logits that are held at once. */
    private static final int MAX_LOGITS = 8 << 20;

    private final ModelWeights weights;
    private final CacheType cacheType;
    private final ModelConfig config;
    private final Kernels kernels;
    private final Rope rope;
    /** Q, K and V of each block. */
    private final List<List<PackedWeight>> attentionInputs = new ArrayList<>();
    /** Gate and up of each block. */
    private final List<List<PackedWeight>> mlpInputs = new ArrayList<>();

    private final RmsNorm[] attentionNorms;
    private final RmsNorm[] mlpNorms;
    private final RmsNorm finalNorm;
    private final Buffers buffers;

    /**
     * A model over these weights, which must stay readable as long as it is used.
     *
     * @param threads that compute, the caller among them
     */
    public PackedLanguageModel(ModelWeights weights, int threads) {
        this(weights, threads, Precision.FULL);
    }

    /**
     * A model that rounds here and there to be faster or smaller.
     *
     * @param threads that compute, the caller among them
     */
    public PackedLanguageModel(ModelWeights weights, int threads, Precision precision) {
        this(precision.apply(weights), Kernels.best(threads, precision.activations()), precision.cache());
    }

    PackedLanguageModel(ModelWeights weights, Kernels kernels, CacheType cacheType) {
        this.cacheType = cacheType;
        this.weights = weights;
        this.config = weights.config();
        this.rope = new Rope(config.ropeFrequencies());
        this.attentionNorms = new RmsNorm[config.blockCount()];
        this.mlpNorms = new RmsNorm[config.blockCount()];
        for (int b = 0; b < config.blockCount(); b++) {
            BlockWeights block = weights.blocks().get(b);
            attentionInputs.add(List.of(block.linear(Linear.Q), block.linear(Linear.K), block.linear(Linear.V)));
            mlpInputs.add(List.of(block.linear(Linear.GATE), block.linear(Linear.UP)));
            attentionNorms[b] = new RmsNorm(block.attentionNorm(), config.normEpsilon());
            mlpNorms[b] = new RmsNorm(block.mlpNorm(), config.normEpsilon());
        }
        this.finalNorm = new RmsNorm(weights.finalNorm(), config.normEpsilon());
        this.buffers = new Buffers(config);
        this.kernels = kernels;
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public KvCache newCache(int capacity) {
        return new Cache(capacity);
    }

    @Override
    public void forward(int[] tokens, KvCache cache, LogitsSink sink) {
        Cache own = checked(tokens, cache);
        for (int at = 0; at < tokens.length; at += CHUNK) {
            Positions positions = new Positions(own.length, Math.min(CHUNK, tokens.length - at));
            runBlocks(tokens, at, positions, own);
            handOutLogits(positions, sink);
        }
    }

    @Override
    public float[] forwardLast(int[] tokens, KvCache cache) {
        Cache own = checked(tokens, cache);
        int count = 0;
        for (int at = 0; at < tokens.length; at += CHUNK) {
            count = Math.min(CHUNK, tokens.length - at);
            runBlocks(tokens, at, new Positions(own.length, count), own);
        }
        int hidden = config.hiddenSize();
        System.arraycopy(buffers.hidden, (count - 1) * hidden, buffers.normed, 0, hidden);
        kernels.normalize(finalNorm, 1, buffers.normed, buffers.normed);
        float[] logits = new float[config.vocabSize()];
        kernels.multiply(weights.head(), 1, buffers.normed, logits);
        return logits;
    }

    /** The transformer: embeds a chunk of tokens and takes it through all blocks; the result is {@code buffers.hidden}. */
    private void runBlocks(int[] tokens, int from, Positions positions, Cache cache) {
        Buffers b = buffers;
        int count = positions.count();
        b.reserve(count);
        for (int t = 0; t < count; t++) {
            weights.embedding().decodeRow(tokens[from + t], b.hidden, t * config.hiddenSize());
        }
        for (int block = 0; block < config.blockCount(); block++) {
            BlockWeights w = weights.blocks().get(block);

            kernels.normalize(attentionNorms[block], count, b.hidden, b.normed);
            kernels.multiply(attentionInputs.get(block), count, b.normed, b.queryKeyValue);
            kernels.rotate(rope, positions, config.headCount(), b.query);
            kernels.rotate(rope, positions, config.kvHeadCount(), b.key);
            cache.blocks.get(block).put(positions, b.key, b.value);
            kernels.attend(cache.blocks.get(block), positions, b.query, b.mixed);
            kernels.multiply(w.linear(Linear.O), count, b.mixed, b.change);
            kernels.add(count * config.hiddenSize(), b.hidden, b.change);

            kernels.normalize(mlpNorms[block], count, b.hidden, b.normed);
            kernels.multiply(mlpInputs.get(block), count, b.normed, b.gateUp);
            kernels.gate(count * config.ffnSize(), b.gate, b.up);
            kernels.multiply(w.linear(Linear.DOWN), count, b.gate, b.change);
            kernels.add(count * config.hiddenSize(), b.hidden, b.change);
        }
        cache.length = positions.end();
    }

    /** The head, for every token of the chunk, as many at once as {@link #MAX_LOGITS} allows. */
    private void handOutLogits(Positions positions, LogitsSink sink) {
        PackedWeight head = weights.head();
        int hidden = config.hiddenSize();
        int vocab = config.vocabSize();
        int atOnce = Math.min(positions.count(), Math.max(1, MAX_LOGITS / vocab));
        float[] logits = buffers.logits(atOnce);
        float[] one = new float[vocab];
        for (int t = 0; t < positions.count(); t += atOnce) {
            int count = Math.min(atOnce, positions.count() - t);
            System.arraycopy(buffers.hidden, t * hidden, buffers.normed, 0, count * hidden);
            kernels.normalize(finalNorm, count, buffers.normed, buffers.normed);
            kernels.multiply(head, count, buffers.normed, logits);
            for (int i = 0; i < count; i++) {
                System.arraycopy(logits, i * vocab, one, 0, vocab);
                sink.accept(positions.first() + t + i, one);
            }
        }
    }

    private Cache checked(int[] tokens, KvCache cache) {
        require(tokens.length > 0, "tokens: got none, want at least 1");
        for (int t = 0; t < tokens.length; t++) {
            require(
                    tokens[t] >= 0 && tokens[t] < config.vocabSize(),
                    "tokens[%d]: got id %d, want 0 to %d",
                    t,
                    tokens[t],
                    config.vocabSize() - 1);
        }
        require(
                cache instanceof Cache own && own.model() == this,
                "cache: got one of another model, want one from newCache of this");
        Cache own = (Cache) cache;
        require(!own.blocks.isEmpty(), "cache: got a closed one, want an open one");
        require(
                tokens.length <= own.capacity - own.length,
                "cache: got %d tokens after %d, want at most %d in all",
                tokens.length,
                own.length,
                own.capacity);
        return own;
    }

    @Override
    public void close() {
        kernels.close();
    }

    /** Keys and values of all blocks for one sequence. */
    private final class Cache implements KvCache {
        private final int capacity;
        private List<KvBlock> blocks = new ArrayList<>();
        private int length;

        Cache(int capacity) {
            this.capacity = capacity;
            KvShape shape = new KvShape(config.headCount(), config.kvHeadCount(), config.headSize(), capacity);
            for (int b = 0; b < config.blockCount(); b++) {
                blocks.add(kernels.newKvBlock(shape, cacheType));
            }
        }

        private PackedLanguageModel model() {
            return PackedLanguageModel.this;
        }

        @Override
        public int length() {
            return length;
        }

        @Override
        public int capacity() {
            return capacity;
        }

        @Override
        public void truncate(int length) {
            require(length >= 0 && length <= this.length, "truncate: got %d tokens, want 0 to %d", length, this.length);
            this.length = length;
        }

        @Override
        public void close() {
            blocks = List.of();
        }
    }

    /** Activations of one chunk, [tokens, channels] each; they grow to the largest chunk seen. */
    private static final class Buffers {
        private final ModelConfig config;
        private int tokens;
        /** The residual stream. */
        private float[] hidden = {};

        private float[] normed = {};
        private float[] query = {};
        private float[] key = {};
        private float[] value = {};
        private float[] mixed = {};
        private float[] gate = {};
        private float[] up = {};
        private List<float[]> queryKeyValue = List.of();
        private List<float[]> gateUp = List.of();
        /** What attention or the MLP adds to the residual stream. */
        private float[] change = {};

        private float[] logits = {};

        Buffers(ModelConfig config) {
            this.config = config;
        }

        void reserve(int count) {
            if (count <= tokens) {
                return;
            }
            tokens = count;
            hidden = new float[Math.multiplyExact(count, config.hiddenSize())];
            normed = new float[hidden.length];
            change = new float[hidden.length];
            query = new float[Math.multiplyExact(count, Linear.Q.out(config))];
            mixed = new float[query.length];
            key = new float[Math.multiplyExact(count, Linear.K.out(config))];
            value = new float[key.length];
            gate = new float[Math.multiplyExact(count, config.ffnSize())];
            up = new float[gate.length];
            queryKeyValue = List.of(query, key, value);
            gateUp = List.of(gate, up);
        }

        float[] logits(int count) {
            int size = Math.multiplyExact(count, config.vocabSize());
            if (logits.length < size) {
                logits = new float[size];
            }
            return logits;
        }
    }
}
