package dev.salient.tune;

import dev.salient.model.BlockWeights;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.packed.Dense;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.torch.AdamW;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/**
 * What lies before and after the blocks: embedding, final norm and head. They rest, or move with Adam, betas 0.9 and 0.95 (PV-Tuning's P step);
 * the embedding's rate, and the head's, is in units of its root mean square.
 */
final class TunedEnds implements AutoCloseable {
    /** The optimizer's groups. */
    private static final int EMBEDDING = 0;

    private static final int HEAD = 1;
    private static final int NORM = 2;

    private final ModelWeights stored;
    private final boolean moves;
    private final TorchDevice device;
    private final Tensor embedding;
    private final Tensor finalNorm;
    /** The embedding itself where they are tied. */
    private final Tensor head;

    private final double embeddingUnit;
    private final double headUnit;
    private final AdamW optimizer = new AdamW(0.9, 0.95, 1e-8);

    /** Ends as they are stored. */
    TunedEnds(ModelWeights stored, boolean moves, TorchDevice device) {
        this.stored = stored;
        this.moves = moves;
        this.device = device;
        TorchLanguageModel ends = TorchLanguageModel.loadEnds(stored, device);
        embedding = ends.embedding();
        finalNorm = ends.finalNorm();
        head = ends.head();
        if (!moves) {
            embeddingUnit = 0;
            headUnit = 0;
            return;
        }
        try (TorchScope scope = new TorchScope()) {
            embeddingUnit = TunedCodebooks.rootMeanSquare(embedding);
            headUnit = TunedCodebooks.rootMeanSquare(head);
        }
        optimizer.add(embedding, EMBEDDING);
        optimizer.add(finalNorm, NORM);
        if (!tied()) {
            optimizer.add(head, HEAD);
        }
        leaves().forEach(leaf -> leaf.requires_grad_(true));
    }

    private boolean tied() {
        return stored.config().tiedEmbeddings();
    }

    private List<Tensor> leaves() {
        List<Tensor> leaves = new ArrayList<>(List.of(embedding, finalNorm));
        if (!tied()) {
            leaves.add(head);
        }
        return leaves;
    }

    /** A model of these ends: leaves, where they move. */
    TorchLanguageModel around(List<TorchLanguageModel.Block> blocks) {
        return new TorchLanguageModel(stored.config(), embedding, blocks, finalNorm, head);
    }

    /** Moves along the gradients that the leaves have collected. */
    void step(double rate, double normRate) {
        if (!moves) {
            return;
        }
        try (TorchScope scope = new TorchScope()) {
            optimizer.step(
                    leaves().stream().map(Tensor::grad).toList(),
                    new AdamW.Group(rate * embeddingUnit, 0),
                    new AdamW.Group(rate * headUnit, 0),
                    new AdamW.Group(normRate, 0));
            leaves().forEach(leaf -> leaf.mutable_grad().reset());
        }
    }

    /** The stored form of the model: where they move, matrices in fp16 and the norm's gains in fp32. */
    ModelWeights pack(List<BlockWeights> blocks) {
        ModelConfig config = stored.config();
        if (!moves) {
            return new ModelWeights(config, stored.embedding(), blocks, stored.finalNorm(), stored.head());
        }
        PackedWeight packed = new Dense(TorchDevice.stored(embedding, DType.F16));
        PackedWeight last = tied() ? packed : new Dense(TorchDevice.stored(head, DType.F16));
        return new ModelWeights(config, packed, blocks, TorchDevice.stored(finalNorm, DType.F32), last);
    }

    /** What computes with the ends of a packed model. */
    TorchLanguageModel ends(ModelWeights packed) {
        return moves ? TorchLanguageModel.loadEnds(packed, device) : around(List.of());
    }

    /** All that a later run needs to go on alike, by name. */
    Map<String, Tensor> state() {
        Map<String, Tensor> state = new LinkedHashMap<>();
        if (moves) {
            state.put("embedding", embedding);
            state.put("finalNorm", finalNorm);
            if (!tied()) {
                state.put("head", head);
            }
            AdamState.put(state, List.of(), optimizer);
        }
        return state;
    }

    /** Hears that {@link #state} was overwritten with that after so many steps. */
    void restored(int steps) {
        optimizer.resumeAfter(steps);
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
