package dev.salient.torch;

import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * The forward pass of one transformer block, differentiable; what its linears compute is the caller's.
 *
 * @param attentionNorm [hidden]
 * @param mlpNorm [hidden]
 */
public record TorchBlock(ModelConfig config, Tensor attentionNorm, Tensor mlpNorm) {

    /** What the linears of a block do: {@code x -> x W^T} for the original, more for a quantized one. */
    @FunctionalInterface
    public interface Linears {
        /**
         * Applies one linear.
         *
         * @param x [batch, tokens, in]
         * @return [batch, tokens, out]
         */
        Tensor apply(Linear linear, Tensor x);
    }

    /**
     * The block's output for a batch of sequences that all start at position 0.
     *
     * @param x [batch, tokens, hidden]
     * @return [batch, tokens, hidden]
     */
    public Tensor forward(Tensor x, Rope rope, Linears linears) {
        Tensor attended = x.add(attention(norm(x, attentionNorm), rope, linears));
        return attended.add(mlp(norm(attended, mlpNorm), linears));
    }

    private Tensor attention(Tensor x, Rope rope, Linears linears) {
        Tensor q = rope.turn(heads(linears.apply(Linear.Q, x), config.headCount()));
        Tensor k = rope.turn(heads(linears.apply(Linear.K, x), config.kvHeadCount()));
        Tensor v = heads(linears.apply(Linear.V, x), config.kvHeadCount());
        boolean grouped = config.headCount() != config.kvHeadCount();
        Tensor mixed = torch.scaled_dot_product_attention(
                q, k, v, new TensorOptional(), 0.0, true, new DoubleOptional(), grouped);
        long channels = (long) config.headCount() * config.headSize();
        return linears.apply(Linear.O, mixed.transpose(1, 2).reshape(x.size(0), x.size(1), channels));
    }

    private Tensor mlp(Tensor x, Linears linears) {
        Tensor gate = torch.silu(linears.apply(Linear.GATE, x));
        return linears.apply(Linear.DOWN, gate.mul(linears.apply(Linear.UP, x)));
    }

    private Tensor heads(Tensor x, int count) {
        return x.view(x.size(0), x.size(1), count, config.headSize()).transpose(1, 2);
    }

    private Tensor norm(Tensor x, Tensor gain) {
        return norm(x, gain, config.normEpsilon());
    }

    /** RMSNorm over the last axis. */
    public static Tensor norm(Tensor x, Tensor gain, double epsilon) {
        return torch.rms_norm(x, new long[] {gain.size(0)}, new TensorOptional(gain), new DoubleOptional(epsilon));
    }
}
