/** What a model's quality is: perplexity, and its distance from the original. */
@NullMarked
package dev.salient.measure;

import org.jspecify.annotations.NullMarked;
