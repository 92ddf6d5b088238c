/** AWQ-format folders: 4-bit weights, eight output channels interleaved in a word. */
@NullMarked
package dev.salient.format.awq;

import org.jspecify.annotations.NullMarked;
