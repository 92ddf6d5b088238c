package dev.salient.torch;

import dev.salient.model.BlockWeights;
import dev.salient.model.IntactKv;
import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.model.Norm;
import dev.salient.packed.PackedWeight;
import dev.salient.torch.TorchBlock.KeysAndValues;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * A whole model in libtorch, dense fp32: what training works on, and the oracle of the packed runtime.
 *
 * <p>Block-wise quantization never holds one of these: it loads one block at a time.
 *
 * @param embedding [vocab, hidden]
 * @param finalNorm [hidden]
 * @param head [vocab, hidden]; the embedding itself where tied
 * @param intact keys and values of another model for the tokens that texts begin with, or null
 */
public record TorchLanguageModel(
        ModelConfig config,
        Tensor embedding,
        List<Block> blocks,
        Tensor finalNorm,
        Tensor head,
        @Nullable IntactKv intact) {
    /** A model whose keys and values are its own. */
    public TorchLanguageModel(ModelConfig config, Tensor embedding, List<Block> blocks, Tensor finalNorm, Tensor head) {
        this(config, embedding, blocks, finalNorm, head, null);
    }

    /**
     * One block.
     *
     * @param weights dense, each [out, in]
     * @param others linears that have no weight of their own: their scales follow the token
     */
    public record Block(TorchBlock block, Map<Linear, Tensor> weights, Map<Linear, TorchBlock.OneLinear> others) {
        public Block {
            weights = new EnumMap<>(weights);
            others = Map.copyOf(others);
        }

        /** A block of dense weights, each [out, in]. */
        public Block(TorchBlock block, Map<Linear, Tensor> weights) {
            this(block, weights, Map.of());
        }

        /** The weight of one linear, [out, in]. */
        public Tensor weight(Linear linear) {
            return Objects.requireNonNull(weights.get(linear));
        }

        /** The block's output, [batch, tokens, hidden]. */
        public Tensor forward(Tensor x, Rope rope) {
            return block.forward(x, rope, this::apply);
        }

        /** What one linear makes of its input. */
        public Tensor apply(Linear linear, Tensor x) {
            TorchBlock.OneLinear other = others.get(linear);
            return other == null ? torch.linear(x, weight(linear)) : other.apply(x);
        }

        /** This block for sequences that begin with the tokens of intact keys and values; null: they are its own. */
        public Block with(@Nullable IntactKv intact, TorchDevice device) {
            TorchBlock begun = block.withIntact(intact == null ? null : KeysAndValues.of(intact, block, device));
            return new Block(begun, weights, others);
        }
    }

    /** Loads one block of an original model, weights rounded to fp16. */
    public static Block loadBlock(ModelWeights model, int index, TorchDevice device) {
        return loadBlock(model.config(), index, model.blocks().get(index), device::halfPrecisionValues, device);
    }

    /** Loads one block of a quantized model, weights exactly as stored. */
    public static Block loadExactBlock(ModelConfig config, int index, BlockWeights stored, TorchDevice device) {
        return loadBlock(config, index, stored, device::exactValues, device);
    }

    private static Block loadBlock(
            ModelConfig config,
            int index,
            BlockWeights stored,
            Function<PackedWeight, Tensor> values,
            TorchDevice device) {
        Map<Linear, Tensor> weights = new EnumMap<>(Linear.class);
        Map<Linear, TorchBlock.OneLinear> others = new EnumMap<>(Linear.class);
        for (Linear linear : Linear.values()) {
            TorchBlock.OneLinear other = MixtureLinear.find(stored.linear(linear), device);
            if (other == null) {
                weights.put(linear, values.apply(stored.linear(linear)));
            } else {
                others.put(linear, other);
            }
        }
        Map<Norm, Tensor> norms = new EnumMap<>(Norm.class);
        stored.norms().forEach((norm, gain) -> norms.put(norm, device.values(gain)));
        return new Block(new TorchBlock(config, index, norms, biases(stored, device)), weights, others);
    }

    /** The biases of a block, [out] each. */
    public static Map<Linear, Tensor> biases(BlockWeights stored, TorchDevice device) {
        Map<Linear, Tensor> biases = new EnumMap<>(Linear.class);
        stored.biases().forEach((linear, bias) -> biases.put(linear, device.values(bias)));
        return biases;
    }

    /** Loads a whole model, weights rounded to fp16. */
    public static TorchLanguageModel load(ModelWeights stored, TorchDevice device) {
        List<Block> blocks = new ArrayList<>();
        for (int b = 0; b < stored.blocks().size(); b++) {
            blocks.add(loadBlock(stored, b, device).with(stored.intact(), device));
        }
        TorchLanguageModel ends = loadEnds(stored, device);
        return new TorchLanguageModel(
                stored.config(), ends.embedding(), blocks, ends.finalNorm(), ends.head(), stored.intact());
    }

    /** Loads embedding, final norm and head alone, weights rounded to fp16; a model without blocks. */
    public static TorchLanguageModel loadEnds(ModelWeights stored, TorchDevice device) {
        Tensor embedding = device.halfPrecisionValues(stored.embedding());
        Tensor head = stored.config().tiedEmbeddings() ? embedding : device.halfPrecisionValues(stored.head());
        return new TorchLanguageModel(stored.config(), embedding, List.of(), device.values(stored.finalNorm()), head);
    }

    /**
     * This model with a head that knows only some tokens.
     *
     * @param tokens ids; row {@code i} of the head is that of token {@code i} of the list
     */
    public TorchLanguageModel withHeadOf(List<Integer> tokens, TorchDevice device) {
        int[] rows = tokens.stream().mapToInt(Integer::intValue).toArray();
        Tensor part = head.index_select(0, device.longs(rows, rows.length));
        return new TorchLanguageModel(config, embedding, blocks, finalNorm, part, intact);
    }

    /**
     * The logits after every token of a batch of sequences.
     *
     * @param ids [batch, tokens]
     * @return [batch, tokens, vocab]
     */
    public Tensor logits(Tensor ids, Rope rope) {
        return logits(TorchBlock.norm(states(ids, rope), finalNorm, config.normEpsilon()), head, config);
    }

    /**
     * The logits of hidden states.
     *
     * @param normed [..., hidden], after the final norm
     * @param head [vocab, hidden]
     * @return [..., vocab]
     */
    public static Tensor logits(Tensor normed, Tensor head, ModelConfig config) {
        return TorchBlock.cap(torch.linear(normed, head), config.traits().logitCap());
    }

    /**
     * What the first block is given.
     *
     * @param ids [batch, tokens]
     * @return [batch, tokens, hidden]
     */
    public Tensor embed(Tensor ids) {
        Tensor rows = torch.embedding(embedding, ids);
        return config.family().scaledEmbeddings() ? rows.mul(new Scalar(config.embeddingScale())) : rows;
    }

    /**
     * What the last block gives, before the final norm.
     *
     * @param ids [batch, tokens]
     * @return [batch, tokens, hidden]
     */
    public Tensor states(Tensor ids, Rope rope) {
        if (intact == null) {
            return states(ids, rope, 0);
        }
        TensorVector all = new TensorVector();
        for (long sequence = 0;
                sequence < ids.size(0);
                sequence++) { // each agrees with the intact tokens in its own way
            Tensor own = ids.narrow(0, sequence, 1);
            all.push_back(states(own, rope, intact.agreeing(ints(own))));
        }
        return torch.cat(all, 0);
    }

    private Tensor states(Tensor ids, Rope rope, int agreeing) {
        Tensor x = embed(ids);
        for (Block block : blocks) {
            x = block.block().agreeing(agreeing).forward(x, rope, block::apply);
        }
        return x;
    }

    private static int[] ints(Tensor ids) {
        try (TorchScope scope = new TorchScope()) {
            long[] wide = TorchDevice.memory(ids.cpu().contiguous()).toArray(ValueLayout.JAVA_LONG);
            return Arrays.stream(wide).mapToInt(Math::toIntExact).toArray();
        }
    }
}
