package dev.salient.quantizer;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * How much less a block's heads look where the original's do: {@code KL = mean over heads and queries of sum over keys of p (log p -
 * log q)}, p and q the original's and the block's attention maps.
 */
final class AttentionDivergence {
    private AttentionDivergence() {}

    /**
     * The divergence, a scalar that can be differentiated.
     *
     * @param original scores before the softmax, minus infinity where nothing is seen, [..., queries, keys]
     * @param scores the block's
     */
    static Tensor of(Tensor original, Tensor scores) {
        Tensor unseen = original.eq(new Scalar(Double.NEGATIVE_INFINITY));
        Tensor off = torch.log_softmax(original, -1)
                .sub(torch.log_softmax(scores, -1))
                .masked_fill(unseen, new Scalar(0.0));
        return original.softmax(-1)
                .mul(off)
                .sum(new long[] {-1}, false, new org.bytedeco.pytorch.ScalarTypeOptional())
                .mean();
    }
}
