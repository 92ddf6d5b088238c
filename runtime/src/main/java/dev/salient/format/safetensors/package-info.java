/** Safetensors files: named tensors behind a JSON header. */
@NullMarked
package dev.salient.format.safetensors;

import org.jspecify.annotations.NullMarked;
