/** Folders as Hugging Face tools write them. */
@NullMarked
package dev.salient.format.hf;

import org.jspecify.annotations.NullMarked;
