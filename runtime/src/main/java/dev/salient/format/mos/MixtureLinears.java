package dev.salient.format.mos;

import dev.salient.format.FormatException;
import dev.salient.format.hf.DenseMatrix;
import dev.salient.format.hf.HfNames;
import dev.salient.format.hf.HfWeights.LinearReader;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.format.safetensors.StoredType;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.packed.ScaleMixture;
import dev.salient.tensor.Shape;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Linears whose scales follow the token as our folders hold them: {@code signs} U8 [out, in / 8], {@code router} [experts, in],
 * {@code in_scales} [experts, in], {@code out_scales} [experts, out], written as F16. No other program reads such a folder: no format that others read
 * has a place for a router.
 */
public final class MixtureLinears {
    /** The value of {@code quant_method} where any linear is one; keys of GPTQ beside it where others are packed so. */
    public static final String METHOD = "binary-mos";

    /** More than any router is likely to have; what a file may ask for. */
    private static final int MOST_EXPERTS = 256;

    private MixtureLinears() {}

    /** Whether a module is stored so. */
    public static boolean has(TensorStore store, String module) {
        return store.has(module + ".signs");
    }

    /** A reader that takes such linears from this store, and leaves the others to another. */
    public static LinearReader over(TensorStore store, LinearReader others) {
        return (id, out, in) -> {
            String module = HfNames.module(id);
            return has(store, module) ? read(store, module, out, in) : others.read(id, out, in);
        };
    }

    private static ScaleMixture read(TensorStore store, String module, int out, int in) throws FormatException {
        StoredTensor signs = store.expect(module + ".signs");
        if (in % ScaleMixture.CHANNELS != 0) {
            throw new FormatException(
                    "%s: got rows of %d channels, want a multiple of %d", signs.place(), in, ScaleMixture.CHANNELS);
        }
        StoredTensor router = store.expect(module + ".router");
        Shape shape = router.shape();
        if (shape.rank() != 2 || shape.dimension(0) < 1 || shape.dimension(0) > MOST_EXPERTS) {
            throw new FormatException(
                    "%s: got %s, want [experts, %d] with 1 to %d experts", router.place(), shape, in, MOST_EXPERTS);
        }
        int experts = shape.dimension(0);
        return new ScaleMixture(
                out,
                in,
                signs.expectRaw(StoredType.U8, out, in / Byte.SIZE),
                router.expectFinite(experts, in),
                store.expect(module + ".in_scales").expectFinite(experts, in),
                store.expect(module + ".out_scales").expectFinite(experts, out));
    }

    /** The tensors of one linear. */
    public static Map<String, Payload> tensors(String module, ScaleMixture weight) {
        Map<String, Payload> tensors = new LinkedHashMap<>();
        tensors.put(
                module + ".signs",
                Payload.of(StoredType.U8, Shape.of(weight.out(), weight.in() / Byte.SIZE), weight.signs()));
        tensors.put(module + ".router", DenseMatrix.asStored(weight.router()));
        tensors.put(module + ".in_scales", DenseMatrix.asStored(weight.inScales()));
        tensors.put(module + ".out_scales", DenseMatrix.asStored(weight.outScales()));
        return tensors;
    }
}
