package dev.salient.format.hf;

import dev.salient.model.Family;
import dev.salient.tensor.Tensor;

/** Norms of Gemma are stored as what is added to 1; ours are the whole gain. Both ways are exact in fp32, one after the other. */
public final class HfGains {
    private HfGains() {}

    /** A gain from what a file holds. */
    static Tensor ofStored(Tensor stored, Family family) {
        return shifted(stored, family, 1);
    }

    /** What a file of this family holds of a gain. */
    public static Tensor stored(Tensor gain, Family family) {
        return shifted(gain, family, -1);
    }

    private static Tensor shifted(Tensor tensor, Family family, float by) {
        if (!family.outputNorms()) {
            return tensor;
        }
        float[] values = tensor.toFloats();
        for (int i = 0; i < values.length; i++) {
            values[i] += by;
        }
        return Tensor.ofFloats(tensor.shape(), values);
    }
}
