/** Element types, shapes and tensors over read-only memory. */
@NullMarked
package dev.salient.tensor;

import org.jspecify.annotations.NullMarked;
