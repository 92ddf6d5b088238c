package dev.salient.measure;

/**
 * How well a model predicts a text: {@code exp(sum of nll / count)} over the counted tokens.
 *
 * @param interval the perplexity, with its 95 % interval
 * @param tokens counted
 */
public record Perplexity(Interval interval, long tokens) {
    public double value() {
        return interval.value();
    }
}
