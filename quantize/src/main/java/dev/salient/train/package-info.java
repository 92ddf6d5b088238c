/** Pretraining of small models: the stories, the tokenizer, the training run. */
@NullMarked
package dev.salient.train;

import org.jspecify.annotations.NullMarked;
