package dev.salient.quantizer;

import dev.salient.method.Terms;
import org.bytedeco.pytorch.Tensor;

/** How far outputs are from what they should be. */
@FunctionalInterface
interface OutputLoss {
    /**
     * The loss of one sample.
     *
     * @return a scalar that can be differentiated by the effective weights of the linears in training
     */
    Tensor of(int sample, Terms terms);
}
