/**
 * Fake quantization: the values that a weight would take, and the gradients of what was trained about them.
 *
 * <p>A fused pass over the weights for the CPU, and the same in tensor operations for any device. Together with the
 * runtime's kernels the only importer of the Vector API.
 */
@NullMarked
package dev.salient.fakequant;

import org.jspecify.annotations.NullMarked;
