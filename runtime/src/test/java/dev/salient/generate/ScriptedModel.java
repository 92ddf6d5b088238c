package dev.salient.generate;

import dev.salient.model.LanguageModel;
import dev.salient.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;

/** A model that writes down what it is fed and answers the token after each position from a script. */
final class ScriptedModel implements LanguageModel {
    /** By position: the token that follows. */
    final List<Integer> script;
    /** What each call was fed. */
    final List<List<Integer>> fed = new ArrayList<>();

    private final int vocabSize;

    ScriptedModel(int vocabSize, List<Integer> script) {
        this.vocabSize = vocabSize;
        this.script = script;
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
        List<Integer> call = new ArrayList<>();
        for (int token : tokens) {
            Cache own = (Cache) cache;
            if (own.length >= own.capacity) {
                throw new IllegalStateException("cache: full");
            }
            float[] logits = new float[vocabSize];
            logits[script.get(own.length)] = 1;
            sink.accept(own.length++, logits);
            call.add(token);
        }
        fed.add(call);
    }

    @Override
    public float[] forwardLast(int[] tokens, KvCache cache) {
        float[][] last = new float[1][];
        forward(tokens, cache, (position, logits) -> last[0] = logits);
        return last[0];
    }

    private static final class Cache implements KvCache {
        private final int capacity;
        private int length;

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
