package dev.salient.format.hf;

import dev.salient.format.WeightError;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.model.BlockWeights;
import dev.salient.model.Family;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelWeights;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * A model's tensors under Hugging Face's names: matrices as numbers of one type, norms as they are.
 *
 * @param linears what is written for a block's linear
 * @param error counts every weight that is rounded
 */
record DenseTensors(DType dtype, UnaryOperator<PackedWeight> linears, WeightError error) {
    Map<String, Payload> of(ModelWeights weights) {
        Map<String, Payload> tensors = new LinkedHashMap<>();
        Family family = weights.config().family();
        tensors.put(HfNames.EMBEDDING, matrix("embedding", weights.embedding()));
        for (int b = 0; b < weights.blocks().size(); b++) {
            BlockWeights block = weights.blocks().get(b);
            int index = b;
            block.norms()
                    .forEach((norm, gain) -> tensors.put(
                            HfNames.norm(index, norm, family), DenseMatrix.asStored(HfGains.stored(gain, family))));
            for (Linear linear : Linear.values()) {
                LinearId id = new LinearId(b, linear);
                PackedWeight weight = linears.apply(block.linear(linear));
                tensors.put(HfNames.module(id) + ".weight", matrix(id.toString(), weight));
                Tensor bias = block.findBias(linear);
                if (bias != null) {
                    tensors.put(HfNames.module(id) + ".bias", DenseMatrix.asStored(bias));
                }
            }
        }
        tensors.put(HfNames.FINAL_NORM, DenseMatrix.asStored(HfGains.stored(weights.finalNorm(), family)));
        if (!weights.config().tiedEmbeddings()) {
            tensors.put(HfNames.HEAD, matrix("head", weights.head()));
        }
        return tensors;
    }

    private Payload matrix(String place, PackedWeight weight) {
        return new DenseMatrix(place, weight, dtype).payload(error);
    }
}
