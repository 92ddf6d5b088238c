/** Tuning a quantized model end to end, against the next-token distributions of the original. */
@NullMarked
package dev.salient.tune;

import org.jspecify.annotations.NullMarked;
