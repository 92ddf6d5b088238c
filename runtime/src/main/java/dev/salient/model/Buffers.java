package dev.salient.model;

import java.util.List;

/** Activations of one chunk, [tokens, channels] each; they grow to the largest chunk seen. */
final class Buffers {
    private final ModelConfig config;
    private int tokens;
    /** The residual stream. */
    float[] hidden = {};

    float[] normed = {};
    float[] query = {};
    float[] key = {};
    float[] value = {};
    float[] mixed = {};
    float[] gate = {};
    float[] up = {};
    List<float[]> queryKeyValue = List.of();
    List<float[]> gateUp = List.of();
    /** What attention or the MLP adds to the residual stream. */
    float[] change = {};

    List<float[]> changes = List.of();

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
        changes = List.of(change);
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
