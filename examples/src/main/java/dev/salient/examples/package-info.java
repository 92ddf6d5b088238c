/** Small programs that use Salient as a library. */
@NullMarked
package dev.salient.examples;

import org.jspecify.annotations.NullMarked;
