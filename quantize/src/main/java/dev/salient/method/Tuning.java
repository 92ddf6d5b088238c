package dev.salient.method;

import static dev.salient.method.Settings.require;

/**
 * How a quantized model is tuned end to end, to give the original's next-token distributions.
 *
 * @param epochs how often each window of text is seen
 * @param batch windows of one step
 * @param weightRate learning rate of the weights below the codes; of {@link Moves#WEIGHTS} only
 * @param scaleRate learning rate of the scales, relative to them
 * @param adapterRate learning rate of adapters, where the model has some
 * @param normRate learning rate of the norms' gains
 */
public record Tuning(
        Moves moves, int epochs, int batch, double weightRate, double scaleRate, double adapterRate, double normRate) {
    public Tuning {
        require(epochs > 0, "epochs: got %d, want 1 or more", epochs);
        require(batch > 0, "batch: got %d, want 1 or more", batch);
        require(weightRate >= 0, "weight rate: got %s, want 0 or more", weightRate);
        require(scaleRate >= 0, "scale rate: got %s, want 0 or more", scaleRate);
        require(adapterRate >= 0, "adapter rate: got %s, want 0 or more", adapterRate);
        require(normRate >= 0, "norm rate: got %s, want 0 or more", normRate);
    }

    /** What of a quantized weight may change. */
    public enum Moves {
        /** Scales; codes stay (EfficientQAT's end-to-end stage, arXiv 2407.11062, section 3.3; PV-Tuning's P step). */
        SCALES,
        /** Scales, and codes through a weight below them with straight-through gradients. */
        WEIGHTS
    }
}
