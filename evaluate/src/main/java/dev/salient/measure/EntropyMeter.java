package dev.salient.measure;

import dev.salient.model.LanguageModel;
import dev.salient.model.ModelConfig;

/** A model that keeps count of how uncertain its next tokens are. */
final class EntropyMeter implements LanguageModel {
    private final LanguageModel model;
    private double sum;
    private int count;

    EntropyMeter(LanguageModel model) {
        this.model = model;
    }

    void restart() {
        sum = 0;
        count = 0;
    }

    /** Of the distributions since the restart, over the largest that there can be; 0 where there was none. */
    double mean() {
        return count == 0 ? 0 : sum / count / Math.log(config().vocabSize());
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
        model.forward(tokens, cache, sink);
    }

    @Override
    public float[] forwardLast(int[] tokens, KvCache cache) {
        float[] logits = model.forwardLast(tokens, cache);
        sum += entropy(logits);
        count++;
        return logits;
    }

    /** In nats. */
    static double entropy(float[] logits) {
        double logSum = LogProbabilities.logSum(logits);
        double entropy = 0;
        for (float logit : logits) {
            double logProbability = logit - logSum;
            double probability = Math.exp(logProbability);
            entropy -= probability > 0 ? probability * logProbability : 0;
        }
        return entropy;
    }
}
