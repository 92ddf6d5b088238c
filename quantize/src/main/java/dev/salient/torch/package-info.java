/** The few operations of libtorch that we use, under readable names, and the model in them. */
@NullMarked
package dev.salient.torch;

import org.jspecify.annotations.NullMarked;
