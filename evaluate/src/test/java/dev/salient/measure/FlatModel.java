package dev.salient.measure;

import dev.salient.model.LanguageModel;
import dev.salient.model.ModelConfig;
import java.util.Random;

/** A model of a large vocabulary whose logits depend on the position alone, and are known. */
final class FlatModel implements LanguageModel {
    private final int vocabSize;
    private final float[] base;

    /** How often it was fed. */
    int calls;

    FlatModel(int vocabSize, long seed) {
        this.vocabSize = vocabSize;
        base = new float[2 * vocabSize];
        Random random = new Random(seed);
        for (int i = 0; i < base.length; i++) {
            base[i] = 3 * random.nextFloat();
        }
    }

    float[] logits(int position) {
        return java.util.Arrays.copyOfRange(base, position, position + vocabSize);
    }

    @Override
    public ModelConfig config() {
        return new ModelConfig(8, 8, 1, 1, 1, 8, vocabSize, 1024, 10000, null, 1e-5, true);
    }

    @Override
    public KvCache newCache(int capacity) {
        return new BigramModel.Cache(capacity);
    }

    @Override
    public void forward(int[] tokens, KvCache cache, LogitsSink sink) {
        calls++;
        BigramModel.Cache own = (BigramModel.Cache) cache;
        for (int i = 0; i < tokens.length; i++) {
            sink.accept(own.length, logits(own.length));
            own.length++;
        }
    }

    @Override
    public float[] forwardLast(int[] tokens, KvCache cache) {
        throw new UnsupportedOperationException();
    }
}
