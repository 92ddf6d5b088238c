/** The quantizers: each file reads like its paper. */
@NullMarked
package dev.salient.quantizer;

import org.jspecify.annotations.NullMarked;
