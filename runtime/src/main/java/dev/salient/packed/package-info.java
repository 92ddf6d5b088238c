/** Weights as they are stored, and the one definition of the values they stand for. */
@NullMarked
package dev.salient.packed;

import org.jspecify.annotations.NullMarked;
