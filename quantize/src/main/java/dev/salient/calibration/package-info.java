/** What a block sees: the hidden states that reach it. */
@NullMarked
package dev.salient.calibration;

import org.jspecify.annotations.NullMarked;
