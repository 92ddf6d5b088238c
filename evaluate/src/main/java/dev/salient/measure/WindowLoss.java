package dev.salient.measure;

/**
 * How well one window was predicted.
 *
 * @param meanNll negative log-likelihood of a token, nats, mean over the tokens
 * @param tokens that were predicted
 */
public record WindowLoss(double meanNll, int tokens) {}
