package dev.salient.format.aqlm;

import dev.salient.format.FormatException;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.packed.AdditiveCodebook;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a folder says once for all its linears.
 *
 * @param count codebooks of a linear
 * @param bits of a code: a codebook has {@code 2^bits} vectors
 * @param groupSize input channels that a vector stands for
 */
public record CodebookShape(int count, int bits, int groupSize) {
    public static CodebookShape of(AdditiveCodebook weight) {
        return new CodebookShape(weight.codebookCount(), weight.bits(), weight.groupSize());
    }

    /** The shape of a module's codebooks; null where it has none. */
    public static @Nullable CodebookShape find(TensorStore store, String module) throws FormatException {
        if (!store.has(module + ".codebooks")) {
            return null;
        }
        StoredTensor codebooks = store.expect(module + ".codebooks");
        List<Integer> dimensions = codebooks.shape().dimensions();
        if (dimensions.size() != 4 || Integer.bitCount(dimensions.get(1)) != 1) {
            throw new FormatException(
                    "%s: got %s, want [count, 2^bits, 1, group]", codebooks.place(), codebooks.shape());
        }
        return new CodebookShape(
                dimensions.get(0), Integer.numberOfTrailingZeros(dimensions.get(1)), dimensions.get(3));
    }

    /** {@code 2x8 g8}: two codebooks of 256 vectors for groups of 8. */
    @Override
    public String toString() {
        return "%dx%d g%d".formatted(count, bits, groupSize);
    }
}
