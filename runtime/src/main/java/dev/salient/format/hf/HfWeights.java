package dev.salient.format.hf;

import dev.salient.format.FormatException;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.packed.Dense;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Tensor;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Puts a model together from tensors under Hugging Face's names. */
public final class HfWeights {
    private final ModelConfig config;
    private final TensorStore store;
    private final LinearReader linears;

    private HfWeights(ModelConfig config, TensorStore store, LinearReader linears) {
        this.config = config;
        this.store = store;
        this.linears = linears;
    }

    /** How one linear of a block is stored. */
    @FunctionalInterface
    public interface LinearReader {
        /**
         * Reads one linear.
         *
         * @return [out, in] as the configuration wants
         */
        PackedWeight read(LinearId id, int out, int in) throws FormatException;
    }

    /** Linears that are stored as they are. */
    public static LinearReader dense(TensorStore store) {
        return (id, out, in) ->
                new Dense(store.expect(HfNames.module(id) + ".weight").expectReal(out, in));
    }

    /** All weights of a model; fails where one is missing, misshapen or left over. */
    public static ModelWeights read(ModelConfig config, TensorStore store, LinearReader linears)
            throws FormatException {
        ModelWeights weights = new HfWeights(config, store, linears).read();
        store.expectAllRead();
        return weights;
    }

    /** One block of a model. */
    public static BlockWeights readBlock(int block, ModelConfig config, TensorStore store, LinearReader linears)
            throws FormatException {
        return new HfWeights(config, store, linears).block(block);
    }

    private ModelWeights read() throws FormatException {
        PackedWeight embedding;
        PackedWeight head;
        if (config.tiedEmbeddings()) {
            boolean onlyHead = store.has(HfNames.HEAD) && !store.has(HfNames.EMBEDDING);
            embedding = vocabularyMatrix(onlyHead ? HfNames.HEAD : HfNames.EMBEDDING);
            head = embedding;
            store.ignore(HfNames.HEAD);
        } else {
            embedding = vocabularyMatrix(HfNames.EMBEDDING);
            head = vocabularyMatrix(HfNames.HEAD);
        }
        List<BlockWeights> blocks = new ArrayList<>();
        for (int b = 0; b < config.blockCount(); b++) {
            blocks.add(block(b));
        }
        return new ModelWeights(config, embedding, blocks, norm(HfNames.FINAL_NORM), head);
    }

    private PackedWeight vocabularyMatrix(String name) throws FormatException {
        return new Dense(store.expect(name).expectReal(config.vocabSize(), config.hiddenSize()));
    }

    private BlockWeights block(int block) throws FormatException {
        Tensor attentionNorm = norm(HfNames.attentionNorm(block));
        Tensor mlpNorm = norm(HfNames.mlpNorm(block));
        Map<Linear, PackedWeight> weights = new EnumMap<>(Linear.class);
        for (Linear linear : Linear.values()) {
            weights.put(linear, linears.read(new LinearId(block, linear), linear.out(config), linear.in(config)));
        }
        store.ignore(HfNames.rotaryBuffer(block));
        return new BlockWeights(attentionNorm, mlpNorm, weights);
    }

    private Tensor norm(String name) throws FormatException {
        StoredTensor stored = store.expect(name);
        Tensor norm = stored.expectReal(config.hiddenSize());
        for (int i = 0; i < config.hiddenSize(); i++) {
            if (!Float.isFinite(norm.get(i))) {
                throw new FormatException("%s: got %s at %d, want a finite number", stored.place(), norm.get(i), i);
            }
        }
        return norm;
    }
}
