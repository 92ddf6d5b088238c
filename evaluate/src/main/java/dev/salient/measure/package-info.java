/**
 * What a model's quality is: perplexity, and its distance from the original, every number with its uncertainty.
 *
 * <p>A text is read once; all measures come from the scores of its tokens.
 *
 * <pre>{@code
 * List<int[]> ids = Corpus.read(List.of(Path.of("text.txt")), tokenizer).adjacentWindows(512, 64);
 * Windows windows = Windows.of(ids, tokenizer.leadingTokens(), Scoring.WHOLE_WINDOW);
 * Scores scores = Scores.of(Models.of(quantized, original), windows, Work.quietly()).getFirst();
 * Interval perplexity = scores.perplexity().interval();
 * double p99 = scores.divergence().kl().p99();
 * }</pre>
 */
@NullMarked
package dev.salient.measure;

import org.jspecify.annotations.NullMarked;
