package dev.salient.measure;

import static java.lang.Math.min;

import dev.salient.model.LanguageModel;
import dev.salient.model.ModelConfig;
import java.util.Arrays;

/**
 * A model that reads a few tokens at a time, so that what it rounds only while it writes can be measured on a text.
 *
 * <pre>{@code
 * Models models = Models.of(new ShortPieces(model, Activations.INT8.mostTokens()), original);
 * }</pre>
 */
public final class ShortPieces implements LanguageModel {
    private final LanguageModel model;
    private final int most;

    /**
     * A model over another one, whose caches it takes.
     *
     * @param most tokens at a time
     */
    public ShortPieces(LanguageModel model, int most) {
        if (most < 1) {
            throw new IllegalArgumentException("tokens at a time: got %d, want 1 or more".formatted(most));
        }
        this.model = model;
        this.most = most;
    }

    @Override
    public ModelConfig config() {
        return model.config();
    }

    @Override
    public KvCache newCache(int capacity) {
        return model.newCache(capacity);
    }

    @Override
    public void forward(int[] tokens, KvCache cache, LogitsSink sink) {
        for (int at = 0; at < tokens.length; at += most) {
            model.forward(Arrays.copyOfRange(tokens, at, min(tokens.length, at + most)), cache, sink);
        }
    }

    @Override
    public float[] forwardLast(int[] tokens, KvCache cache) {
        float[] logits = {};
        for (int at = 0; at < tokens.length; at += most) {
            logits = model.forwardLast(Arrays.copyOfRange(tokens, at, min(tokens.length, at + most)), cache);
        }
        return logits;
    }
}
