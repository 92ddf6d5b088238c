/** GGUF files: metadata, vocabulary and tensors in one. */
@NullMarked
package dev.salient.format.gguf;

import org.jspecify.annotations.NullMarked;
