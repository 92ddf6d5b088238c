package dev.salient.measure;

import dev.salient.model.LanguageModel;
import dev.salient.model.ModelConfig;
import java.util.Random;

/** A model whose logits depend on the last token and its position alone, and are known. */
class BigramModel implements LanguageModel {
    private final int vocabSize;
    private final float[][] table;

    /** Tokens this model was fed, in all. */
    int fed;

    BigramModel(int vocabSize, long seed) {
        this.vocabSize = vocabSize;
        this.table = new float[vocabSize][vocabSize];
        Random random = new Random(seed);
        for (float[] row : table) {
            for (int i = 0; i < vocabSize; i++) {
                row[i] = 20 * random.nextFloat();
            }
            row[0] = 10;
        }
    }

    /** The logits after a token at a position: [vocab]. */
    float[] logits(int token, int position) {
        float[] logits = table[token].clone();
        logits[position % vocabSize] = 15 + position;
        return logits;
    }

    @Override
    public ModelConfig config() {
        return new ModelConfig(8, 8, 1, 1, 1, 8, vocabSize, 64, 10000, null, 1e-5, true);
    }

    @Override
    public KvCache newCache(int capacity) {
        return new Cache(capacity);
    }

    @Override
    public void forward(int[] tokens, KvCache cache, LogitsSink sink) {
        Cache own = (Cache) cache;
        float[] lent = new float[vocabSize];
        for (int token : tokens) {
            if (own.length == own.capacity) {
                throw new IllegalStateException("cache: full");
            }
            System.arraycopy(logits(token, own.length), 0, lent, 0, vocabSize);
            sink.accept(own.length++, lent);
            fed++;
        }
    }

    @Override
    public float[] forwardLast(int[] tokens, KvCache cache) {
        float[][] last = new float[1][];
        forward(tokens, cache, (position, logits) -> last[0] = logits);
        return last[0];
    }

    static final class Cache implements KvCache {
        private final int capacity;
        int length;

        Cache(int capacity) {
            this.capacity = capacity;
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
            this.length = length;
        }

        @Override
        public void close() {}
    }
}
