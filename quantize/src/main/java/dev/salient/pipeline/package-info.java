/** A run: the stream of blocks, its folder on disk, its manifest, stopping and going on. */
@NullMarked
package dev.salient.pipeline;

import org.jspecify.annotations.NullMarked;
