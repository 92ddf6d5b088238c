/** The arithmetic of a forward pass: {@code Scalar} defines it, vector twins do it fast. */
@NullMarked
package dev.salient.kernel;

import org.jspecify.annotations.NullMarked;
