/** AQLM's layout of additive codebooks in Hugging Face folders. */
@NullMarked
package dev.salient.format.aqlm;

import org.jspecify.annotations.NullMarked;
