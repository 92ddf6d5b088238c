package dev.salient.format.gptq;

import dev.salient.format.FormatException;
import dev.salient.format.hf.HfNames;
import dev.salient.format.hf.HfWeights.LinearReader;
import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import java.util.LinkedHashMap;
import java.util.Map;

/** The scaling of each adapter, kept in the metadata of a block's part file until the adapter is put together. */
final class AdapterScalings {
    private AdapterScalings() {}

    /** The scaling by module, for the linears of a block that have an adapter. */
    static Map<String, String> of(int block, BlockWeights weights) {
        Map<String, String> scalings = new LinkedHashMap<>();
        for (Linear linear : Linear.values()) {
            if (weights.linear(linear) instanceof LowRank adapted) {
                scalings.put(HfNames.module(new LinearId(block, linear)), Float.toString(adapted.scaling()));
            }
        }
        return scalings;
    }

    /** These linears with the adapters of a part file on top. */
    static LinearReader over(LinearReader below, SafetensorsFile part) {
        return (id, out, in) -> {
            PackedWeight base = below.read(id, out, in);
            String module = HfNames.module(id);
            StoredTensor a = part.tensors().get(PeftAdapter.tensorName(module, "A"));
            StoredTensor b = part.tensors().get(PeftAdapter.tensorName(module, "B"));
            if (a == null || b == null) {
                return base;
            }
            int rank = a.shape().dimension(0);
            StoredTensor magnitude = part.tensors().get(PeftAdapter.magnitudeName(module));
            return new LowRank(
                    base,
                    a.expectReal(rank, in),
                    b.expectReal(out, rank),
                    scaling(part, module),
                    magnitude == null ? null : magnitude.expectReal(out));
        };
    }

    static float scaling(SafetensorsFile part, String module) throws FormatException {
        String text = part.metadata().get(module);
        try {
            return Float.parseFloat(String.valueOf(text));
        } catch (NumberFormatException e) {
            throw new FormatException("%s: scaling: got %s, want a number", module, String.valueOf(text));
        }
    }
}
