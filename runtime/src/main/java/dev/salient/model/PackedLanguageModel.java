package dev.salient.model;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.kernel.CacheType;
import dev.salient.kernel.Kernels;
import dev.salient.kernel.KvBlock;
import dev.salient.kernel.KvShape;
import dev.salient.kernel.Positions;
import dev.salient.kernel.RmsNorm;
import dev.salient.kernel.Rope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A model that computes on packed weights as they are stored; activations and cache are fp32.
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
    private final List<PackedBlock> blocks = new ArrayList<>();
    private final RmsNorm finalNorm;
    private final Buffers buffers;
    /** Of each block, [tokens, kvHeads * headSize]; none where the weights have none. */
    private final List<float[]> intactKeys = new ArrayList<>();

    private final List<float[]> intactValues = new ArrayList<>();

    /** A model over these weights, which must stay readable as long as it is used; it computes on all cores. */
    public PackedLanguageModel(ModelWeights weights) {
        this(weights, Runtime.getRuntime().availableProcessors());
    }

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
        Rope rope = new Rope(config.ropeFrequencies());
        double[] local = config.localRopeFrequencies();
        Rope localRope = local == null ? rope : new Rope(local);
        for (int b = 0; b < config.blockCount(); b++) {
            Rope own = config.isLocal(b) ? localRope : rope;
            blocks.add(new PackedBlock(config, weights.blocks().get(b), own));
            if (weights.intact() != null) {
                intactKeys.add(weights.intact().keys(b));
                intactValues.add(weights.intact().values(b));
            }
        }
        this.finalNorm = new RmsNorm(weights.finalNorm(), config.normEpsilon());
        this.buffers = new Buffers(config);
        this.kernels = kernels;
    }

    /**
     * Computes one token for nothing: afterwards all weights are rearranged and the kernels compiled.
     *
     * <p>The first token costs as much as hundreds of later ones. Done while something else has to be waited for, it costs nobody anything.
     */
    public void warmUp() {
        try (KvCache cache = newCache(1)) {
            forwardLast(new int[1], cache);
        }
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
            runBlocks(List.of(span(own, positions, tokens, at)));
            handOutLogits(positions, sink);
        }
    }

    @Override
    public float[] forwardLast(int[] tokens, KvCache cache) {
        return forwardLast(List.of(new Piece(tokens, cache))).getFirst();
    }

    @Override
    public List<float[]> forwardLast(List<Piece> pieces) {
        require(!pieces.isEmpty(), "pieces: got none, want at least 1");
        List<Cache> caches = new ArrayList<>();
        for (Piece piece : pieces) {
            Cache cache = checked(piece.tokens(), piece.cache());
            require(!caches.contains(cache), "pieces: got two with the same cache, want one cache for each");
            caches.add(cache);
        }
        Ends ends = new Ends(pieces.size());
        List<Span> chunk = new ArrayList<>();
        int free = CHUNK;
        for (int s = 0; s < pieces.size(); s++) {
            int[] tokens = pieces.get(s).tokens();
            Cache cache = caches.get(s);
            int at = 0;
            while (at < tokens.length) {
                int count = Math.min(free, tokens.length - at);
                chunk.add(span(cache, new Positions(cache.length, count), tokens, at));
                at += count;
                free -= count;
                boolean last = s == pieces.size() - 1 && at == tokens.length;
                if (free == 0 || last) {
                    runBlocks(chunk);
                    ends.keep(chunk);
                    chunk.clear();
                    free = CHUNK;
                }
            }
        }
        return ends.logits();
    }

    /**
     * Some tokens of one sequence, which are rows of a chunk.
     *
     * @param tokens of the sequence's whole piece
     * @param from where in it the span's start
     * @param agreeing tokens from the sequence's start to the span's end at most that the model has intact keys and values of
     */
    @SuppressWarnings("ArrayRecordComponent")
    private record Span(Cache cache, Positions positions, int[] tokens, int from, int agreeing) {
        /** Is the piece's last token in it? */
        boolean ends() {
            return from + positions.count() == tokens.length;
        }
    }

    private Span span(Cache cache, Positions positions, int[] tokens, int from) {
        int agreeing = cache.agreeing;
        if (weights.intact() != null && agreeing == positions.first()) {
            agreeing = Math.min(weights.intact().agreeing(agreeing, tokens, from), positions.end());
        }
        return new Span(cache, positions, tokens, from, agreeing);
    }

    /** The residual stream after the last token of each piece. */
    private final class Ends {
        private final float[] hidden;
        private final int count;
        private int kept;

        Ends(int count) {
            this.count = count;
            hidden = new float[count * config.hiddenSize()];
        }

        /** Keeps the rows of the pieces that end in the chunk that has just run. */
        void keep(List<Span> chunk) {
            int size = config.hiddenSize();
            int row = 0;
            for (Span span : chunk) {
                row += span.positions.count();
                if (span.ends()) {
                    System.arraycopy(buffers.hidden, (row - 1) * size, hidden, kept * size, size);
                    kept++;
                }
            }
        }

        List<float[]> logits() {
            List<float[]> all = new ArrayList<>();
            applyHead(
                    hidden,
                    count,
                    (row, logits, at) -> all.add(Arrays.copyOfRange(logits, at, at + config.vocabSize())));
            return all;
        }
    }

    /** The transformer: embeds a chunk of tokens and takes it through all blocks; the result is {@code buffers.hidden}. */
    private void runBlocks(List<Span> spans) {
        Buffers b = buffers;
        List<Positions> sequences = spans.stream().map(Span::positions).toList();
        int count = sequences.stream().mapToInt(Positions::count).sum();
        b.reserve(count);
        embed(spans);
        for (int block = 0; block < blocks.size(); block++) {
            PackedBlock w = blocks.get(block);

            kernels.normalize(w.attentionNorm, count, b.hidden, b.normed);
            multiply(w.attentionInputs, count, b.normed, b.queryKeyValue);
            normalizeHeads(w, count);
            kernels.rotate(w.rope, sequences, config.headCount(), b.query);
            kernels.rotate(w.rope, sequences, config.kvHeadCount(), b.key);
            kernels.attend(append(spans, block), sequences, b.query, b.mixed);
            multiply(w.attentionOutput, count, b.mixed, b.changes);
            addChange(w.attentionOutputNorm, count);

            kernels.normalize(w.mlpNorm, count, b.hidden, b.normed);
            multiply(w.mlpInputs, count, b.normed, b.gateUp);
            kernels.gate(w.activation, count * config.ffnSize(), b.gate, b.up);
            multiply(w.mlpOutput, count, b.gate, b.changes);
            addChange(w.mlpOutputNorm, count);
        }
        for (Span span : spans) {
            span.cache.length = span.positions.end();
            span.cache.agreeing = span.agreeing;
        }
    }

    /** Linears that share an input, and their biases. */
    private void multiply(PackedBlock.Linears linears, int count, float[] x, List<float[]> ys) {
        kernels.multiply(linears.weights(), count, x, ys);
        for (int i = 0; i < linears.biases().size(); i++) {
            float[] bias = linears.biases().get(i);
            if (bias.length > 0) {
                kernels.addRow(bias, count, ys.get(i));
            }
        }
    }

    private void normalizeHeads(PackedBlock w, int count) {
        if (w.queryNorm != null && w.keyNorm != null) {
            kernels.normalize(w.queryNorm, count * config.headCount(), buffers.query, buffers.query);
            kernels.normalize(w.keyNorm, count * config.kvHeadCount(), buffers.key, buffers.key);
        }
    }

    /** Adds what attention or the MLP gives to the residual stream. */
    private void addChange(@Nullable RmsNorm norm, int count) {
        if (norm != null) {
            kernels.normalize(norm, count, buffers.change, buffers.change);
        }
        kernels.add(count * config.hiddenSize(), buffers.hidden, buffers.change);
    }

    private void embed(List<Span> spans) {
        int at = 0;
        for (Span span : spans) {
            for (int t = 0; t < span.positions.count(); t++, at += config.hiddenSize()) {
                weights.embedding().decodeRow(span.tokens[span.from + t], buffers.hidden, at);
            }
        }
        float scale = config.embeddingScale();
        for (int i = 0; scale != 1 && i < at; i++) {
            buffers.hidden[i] *= scale;
        }
    }

    /** Puts keys and values into the caches of a block, and returns those. */
    private List<KvBlock> append(List<Span> spans, int block) {
        List<KvBlock> caches = new ArrayList<>(spans.size());
        int row = 0;
        for (Span span : spans) {
            KvBlock cache = span.cache.blocks.get(block);
            cache.put(span.positions, row, buffers.key, buffers.value);
            putIntact(span, block, cache);
            caches.add(cache);
            row += span.positions.count();
        }
        return caches;
    }

    /** Overwrites the keys and values of tokens that the model has intact ones of. */
    private void putIntact(Span span, int block, KvBlock cache) {
        int first = span.positions.first();
        int count = span.agreeing - first;
        if (count > 0) {
            cache.put(new Positions(first, count), first, intactKeys.get(block), intactValues.get(block));
        }
    }

    private void handOutLogits(Positions positions, LogitsSink sink) {
        float[] one = new float[config.vocabSize()];
        applyHead(buffers.hidden, positions.count(), (row, logits, at) -> {
            System.arraycopy(logits, at, one, 0, one.length);
            sink.accept(positions.first() + row, one);
        });
    }

    /**
     * The final norm and the head, for as many rows at once as {@link #MAX_LOGITS} allows.
     *
     * @param rows [count, hidden]
     */
    private void applyHead(float[] rows, int count, RowSink sink) {
        int hidden = config.hiddenSize();
        int vocab = config.vocabSize();
        int most = Math.min(count, Math.max(1, MAX_LOGITS / vocab));
        float[] logits = buffers.logits(most);
        buffers.reserve(most);
        for (int first = 0; first < count; first += most) {
            int some = Math.min(most, count - first);
            System.arraycopy(rows, first * hidden, buffers.normed, 0, some * hidden);
            kernels.normalize(finalNorm, some, buffers.normed, buffers.normed);
            kernels.multiply(weights.head(), some, buffers.normed, logits);
            if (config.traits().logitCap() != 0) {
                kernels.cap(config.traits().logitCap(), some * vocab, logits);
            }
            for (int i = 0; i < some; i++) {
                sink.accept(first + i, logits, i * vocab);
            }
        }
    }

    /** Receives the logits of a row, which start at a place in an array. */
    @FunctionalInterface
    private interface RowSink {
        void accept(int row, float[] logits, int at);
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
        /** Tokens from the sequence's start on that the model has intact keys and values of. */
        private int agreeing;

        Cache(int capacity) {
            this.capacity = capacity;
            for (int b = 0; b < config.blockCount(); b++) {
                KvShape shape = PackedBlock.kvShape(config, b, capacity);
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
            agreeing = Math.min(agreeing, length);
        }

        @Override
        public void close() {
            blocks = List.of();
        }
    }
}
