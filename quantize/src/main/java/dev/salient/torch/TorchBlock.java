package dev.salient.torch;

import dev.salient.model.IntactKv;
import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.model.Norm;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * The forward pass of one transformer block, differentiable; what its linears compute is the caller's.
 *
 * @param index of the block in its model
 * @param norms [channels] of each that the family has
 * @param biases [out] of the linears that have one
 * @param intact what all its sequences begin with, or null
 */
public record TorchBlock(
        ModelConfig config,
        int index,
        Map<Norm, Tensor> norms,
        Map<Linear, Tensor> biases,
        @Nullable KeysAndValues intact) {
    /** Queries attend in chunks, so that little of the masked half is computed. */
    private static final long QUERY_CHUNK = 256;

    /** A block of LLaMA. */
    public TorchBlock(ModelConfig config, Tensor attentionNorm, Tensor mlpNorm) {
        this(config, 0, Map.of(Norm.ATTENTION, attentionNorm, Norm.MLP, mlpNorm), Map.of());
    }

    /** A block whose keys and values are its own. */
    public TorchBlock(ModelConfig config, int index, Map<Norm, Tensor> norms, Map<Linear, Tensor> biases) {
        this(config, index, norms, biases, null);
    }

    /**
     * Keys and values of one sequence's first tokens, which a block may use instead of its own.
     *
     * @param keys [kvHeads, tokens, headSize], rotated to positions 0, 1, ...
     * @param values [kvHeads, tokens, headSize]
     */
    public record KeysAndValues(Tensor keys, Tensor values) {
        /** Those of a block. */
        public static KeysAndValues of(IntactKv all, TorchBlock block, TorchDevice device) {
            return new KeysAndValues(
                    heads(all.keys(block.index), all, block.config, device),
                    heads(all.values(block.index), all, block.config, device));
        }

        private KeysAndValues first(int tokens) {
            return new KeysAndValues(keys.narrow(1, 0, tokens), values.narrow(1, 0, tokens));
        }

        private static Tensor heads(float[] rows, IntactKv all, ModelConfig config, TorchDevice device) {
            return device.floats(rows, all.tokens().size(), config.kvHeadCount(), config.headSize())
                    .transpose(0, 1);
        }
    }

    /** This block for sequences that all begin with tokens of such keys and values; null: that have its own. */
    public TorchBlock withIntact(@Nullable KeysAndValues other) {
        return new TorchBlock(config, index, norms, biases, other);
    }

    /** This block for sequences that agree with only so many of the tokens that it has intact keys and values of. */
    TorchBlock agreeing(int tokens) {
        return intact == null || tokens == 0 ? withIntact(null) : withIntact(intact.first(tokens));
    }

    /** How many tokens at the start of a sequence have keys and values that are not the block's own. */
    public int intactTokens() {
        return intact == null ? 0 : Math.toIntExact(intact.keys.size(1));
    }

    /** The gain of a norm, [channels]. */
    public Tensor norm(Norm norm) {
        return Objects.requireNonNull(norms.get(norm), () -> "no norm " + norm);
    }

    /**
     * What the linears of a block do before biases are added: {@code x -> x W^T} for the original, more for a quantized
     * one.
     */
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

    /** What one linear computes, [..., in] to [..., out]. */
    @FunctionalInterface
    public interface OneLinear {
        Tensor apply(Tensor x);
    }

    /**
     * The block's output for a batch of sequences that all start at position 0.
     *
     * @param x [batch, tokens, hidden]
     * @return [batch, tokens, hidden]
     */
    public Tensor forward(Tensor x, Rope rope, Linears linears) {
        Linears biased = biased(linears);
        Tensor attended =
                x.add(normOrSame(Norm.ATTENTION_OUTPUT, attention(normOrSame(Norm.ATTENTION, x), rope, biased)));
        return attended.add(normOrSame(Norm.MLP_OUTPUT, mlp(normOrSame(Norm.MLP, attended), biased)));
    }

    private Linears biased(Linears linears) {
        return biases.isEmpty() ? linears : (linear, input) -> addBias(linear, linears.apply(linear, input));
    }

    private Tensor addBias(Linear linear, Tensor y) {
        Tensor bias = biases.get(linear);
        return bias == null ? y : y.add(bias);
    }

    private Tensor attention(Tensor x, Rope rope, Linears linears) {
        Tensor q = queries(x, rope, linears);
        Tensor k = keys(x, rope, linears);
        Tensor v = values(x, linears);
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
     * The attention's scores before the softmax, minus infinity where a query sees nothing.
     *
     * @param x [batch, tokens, hidden], what the block is given
     * @return [batch kvHeads, heads that share keys, tokens, tokens]
     */
    public Tensor attentionScores(Tensor x, Rope rope, Linears linears) {
        Tensor normed = normOrSame(Norm.ATTENTION, x);
        Linears biased = biased(linears);
        return scores(queries(normed, rope, biased), keys(normed, rope, biased), 0, x.size(1));
    }

    private Tensor queries(Tensor x, Rope rope, Linears linears) {
        Tensor heads = heads(linears.apply(Linear.Q, x), config.headCount());
        return ropeOf(rope).turn(normOrSame(Norm.QUERY, heads));
    }

    private Tensor keys(Tensor x, Rope rope, Linears linears) {
        Tensor heads = heads(linears.apply(Linear.K, x), config.kvHeadCount());
        Tensor own = ropeOf(rope).turn(normOrSame(Norm.KEY, heads));
        return intact == null ? own : begun(intact.keys, own);
    }

    private Tensor values(Tensor x, Linears linears) {
        Tensor own = heads(linears.apply(Linear.V, x), config.kvHeadCount());
        return intact == null ? own : begun(intact.values, own);
    }

    /** {@code own}, [batch, kvHeads, tokens, headSize], with other keys or values for the first tokens. */
    private static Tensor begun(Tensor first, Tensor own) {
        long count = Math.min(first.size(1), own.size(2));
        Tensor rest = own.narrow(2, count, own.size(2) - count);
        Tensor shared = first.narrow(1, 0, count).unsqueeze(0).expand(own.size(0), own.size(1), count, own.size(3));
        return torch.cat(new TensorVector(shared, rest), 2);
    }

    /**
     * The keys and values of one sequence.
     *
     * @param x [1, tokens, hidden], what the block is given
     */
    public KeysAndValues keysAndValues(Tensor x, Rope rope, Linears linears) {
        Tensor normed = normOrSame(Norm.ATTENTION, x);
        Linears biased = biased(linears);
        return new KeysAndValues(
                keys(normed, rope, biased).squeeze(0), values(normed, biased).squeeze(0));
    }

    private Rope ropeOf(Rope rope) {
        return config.isLocal(index) ? rope.local() : rope;
    }

    /**
     * Causal attention of a chunk of queries: {@code softmax(scale q k^T) v}, its scores bounded where the family does.
     *
     * <p>Heads that share keys are rows of one product. libtorch's own fused attention calls BLAS from within its threads,
     * where OpenBLAS's threads stand in each other's way: it took three times as long here.
     */
    private Tensor attend(Tensor q, Tensor k, Tensor v, long from, long count) {
        long batch = q.size(0);
        long shared = config.kvHeadCount();
        long group = config.headCount() / shared;
        long end = from + count;
        Tensor values = v.narrow(2, 0, end).reshape(batch * shared, end, config.headSize());
        Tensor weights = scores(q, k, from, count).softmax(3);
        Tensor mixed = torch.bmm(weights.view(batch * shared, group * count, end), values);
        return mixed.view(batch, config.headCount(), count, config.headSize());
    }

    /** Scores of a chunk of queries, [batch kvHeads, group, count, from + count]. */
    private Tensor scores(Tensor q, Tensor k, long from, long count) {
        long rowsOfKeys = q.size(0) * config.kvHeadCount();
        long group = config.headCount() / config.kvHeadCount();
        long end = from + count;
        Scalar scale = new Scalar(config.attentionScale());
        Tensor rows = q.narrow(2, from, count).mul(scale).reshape(rowsOfKeys, group * count, config.headSize());
        Tensor keys = k.narrow(2, 0, end).reshape(rowsOfKeys, end, config.headSize());
        Tensor scores = torch.bmm(rows, keys.transpose(1, 2)).view(rowsOfKeys, group, count, end);
        return cap(scores, config.traits().attentionCap()).add(unseen(q, from, count));
    }

    /** {@code cap tanh(x / cap)}; x itself where the cap is 0. */
    static Tensor cap(Tensor x, double cap) {
        return cap == 0 ? x : x.mul(new Scalar(1 / cap)).tanh().mul(new Scalar(cap));
    }

    /** Minus infinity where a key lies in a query's future or before its window, else 0: [count, from + count]. */
    private Tensor unseen(Tensor like, long from, long count) {
        Tensor all = torch.full(
                new long[] {count, from + count},
                new Scalar(Float.NEGATIVE_INFINITY),
                like.detach().options());
        Tensor future = all.triu(from + 1);
        long window = config.windowOf(index);
        return window >= from + count ? future : future.add(all.tril(from - window));
    }

    private Tensor mlp(Tensor x, Linears linears) {
        Tensor in = linears.apply(Linear.GATE, x);
        Tensor gate = config.family().gelu() ? torch.gelu(in, "tanh") : torch.silu(in);
        return linears.apply(Linear.DOWN, gate.mul(linears.apply(Linear.UP, x)));
    }

    private Tensor heads(Tensor x, int count) {
        return x.view(x.size(0), x.size(1), count, config.headSize()).transpose(1, 2);
    }

    /** What a norm makes of x, or x where the family has no such norm. */
    private Tensor normOrSame(Norm norm, Tensor x) {
        Tensor gain = norms.get(norm);
        return gain == null ? x : norm(x, gain, config.normEpsilon());
    }

    /** RMSNorm over the last axis. */
    public static Tensor norm(Tensor x, Tensor gain, double epsilon) {
        return torch.rms_norm(x, new long[] {gain.size(0)}, new TensorOptional(gain), new DoubleOptional(epsilon));
    }
}
