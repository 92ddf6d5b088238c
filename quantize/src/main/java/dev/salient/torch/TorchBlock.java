package dev.salient.torch;

import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * The forward pass of one transformer block, differentiable; what its linears compute is the caller's.
 *
 * @param attentionNorm [hidden]
 * @param mlpNorm [hidden]
 */
public record TorchBlock(ModelConfig config, Tensor attentionNorm, Tensor mlpNorm) {
    /** Queries attend in chunks, so that little of the masked half is computed. */
    private static final long QUERY_CHUNK = 256;

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
        long tokens = x.size(1);
        TensorVector mixed = new TensorVector();
        for (long from = 0; from < tokens; from += QUERY_CHUNK) {
            mixed.push_back(attend(q, k, v, from, Math.min(QUERY_CHUNK, tokens - from)));
        }
        long channels = (long) config.headCount() * config.headSize();
        Tensor joined = torch.cat(mixed, 2).transpose(1, 2);
        return linears.apply(Linear.O, joined.reshape(x.size(0), tokens, channels));
    }

    /**
     * Causal attention of a chunk of queries: {@code softmax(q k^T / sqrt(headSize)) v}.
     *
     * <p>Heads that share keys are rows of one product. libtorch's own fused attention calls BLAS from within its threads,
     * where OpenBLAS's threads stand in each other's way: it took three times as long here.
     */
    private Tensor attend(Tensor q, Tensor k, Tensor v, long from, long count) {
        long batch = q.size(0);
        long shared = config.kvHeadCount();
        long group = config.headCount() / shared;
        long end = from + count;
        Scalar scale = new Scalar(1 / Math.sqrt(config.headSize()));
        Tensor rows = q.narrow(2, from, count).mul(scale).reshape(batch * shared, group * count, config.headSize());
        Tensor keys = k.narrow(2, 0, end).reshape(batch * shared, end, config.headSize());
        Tensor values = v.narrow(2, 0, end).reshape(batch * shared, end, config.headSize());
        Tensor scores = torch.bmm(rows, keys.transpose(1, 2)).view(batch * shared, group, count, end);
        Tensor weights = scores.add(future(q, from, count)).softmax(3);
        Tensor mixed = torch.bmm(weights.view(batch * shared, group * count, end), values);
        return mixed.view(batch, config.headCount(), count, config.headSize());
    }

    /** Minus infinity where a key lies in a query's future, else 0: [count, from + count]. */
    private static Tensor future(Tensor like, long from, long count) {
        Tensor all = torch.full(
                new long[] {count, from + count},
                new Scalar(Float.NEGATIVE_INFINITY),
                like.detach().options());
        return all.triu(from + 1);
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
