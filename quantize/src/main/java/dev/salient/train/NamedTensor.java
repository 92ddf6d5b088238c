package dev.salient.train;

import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.Norm;
import dev.salient.torch.TorchLanguageModel;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * A parameter of a model in training, under the name it has in a checkpoint.
 *
 * @param isLinear whether it is a linear of a block: the others are not decayed
 */
record NamedTensor(String name, Tensor tensor, boolean isLinear) {
    /** The parameters of a model with tied embeddings, in a fixed order. */
    static List<NamedTensor> of(TorchLanguageModel model) {
        List<NamedTensor> all = new ArrayList<>();
        all.add(new NamedTensor("embedding", model.embedding(), false));
        for (int b = 0; b < model.blocks().size(); b++) {
            TorchLanguageModel.Block block = model.blocks().get(b);
            all.add(new NamedTensor(b + ".attention norm", block.block().norm(Norm.ATTENTION), false));
            all.add(new NamedTensor(b + ".mlp norm", block.block().norm(Norm.MLP), false));
            for (Linear linear : Linear.values()) {
                String name = new LinearId(b, linear).toString();
                all.add(new NamedTensor(name, block.weight(linear), true));
            }
        }
        all.add(new NamedTensor("final norm", model.finalNorm(), false));
        return all;
    }
}
