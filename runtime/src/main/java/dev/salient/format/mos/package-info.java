/** BinaryMoS's signs, router and scales in safetensors folders. */
@NullMarked
package dev.salient.format.mos;

import org.jspecify.annotations.NullMarked;
