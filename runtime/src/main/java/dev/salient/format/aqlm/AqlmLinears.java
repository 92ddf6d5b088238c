package dev.salient.format.aqlm;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.format.FormatException;
import dev.salient.format.hf.HfNames;
import dev.salient.format.hf.HfWeights.LinearReader;
import dev.salient.format.json.JsonObject;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.format.safetensors.StoredType;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.Dense;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Linears of additive codebooks as AQLM stores them, which is as we compute on them.
 *
 * <p>{@code codes} [out, in / group, count], a signed byte each up to 8 bits, else a signed short, with the codebook's number of bits;
 * {@code codebooks} [count, 2^bits, 1, group]; {@code scales} [out, 1, 1, 1].
 */
public final class AqlmLinears {
    /** The value of {@code quant_method}. */
    public static final String METHOD = "aqlm";

    static final String PLAIN = "linear_weights_not_to_quantize";

    private AqlmLinears() {}

    /**
     * The linears of a folder.
     *
     * @param quantization its {@code quantization_config}
     */
    public static LinearReader of(JsonObject quantization, TensorStore store) throws FormatException {
        CodebookShape shape = new CodebookShape(
                within(quantization, "num_codebooks", 1, 255),
                within(quantization, "nbits_per_codebook", 1, 16),
                within(quantization, "in_group_size", 1, Integer.MAX_VALUE));
        within(quantization, "out_group_size", 1, 1);
        Set<String> plain = plain(quantization);
        return (id, out, in) -> {
            String module = HfNames.module(id);
            return plain.contains(module) || plain.contains(module + ".weight")
                    ? new Dense(store.expect(module + ".weight").expectReal(out, in))
                    : read(store, module, shape, new int[] {out, in});
        };
    }

    private static int within(JsonObject quantization, String key, int least, int most) throws FormatException {
        int value = quantization.expectInt(key);
        if (value < least || value > most) {
            throw quantization.wrong(
                    key,
                    least == most
                            ? String.valueOf(least)
                            : most == Integer.MAX_VALUE ? "more than 0" : least + " to " + most);
        }
        return value;
    }

    private static Set<String> plain(JsonObject quantization) throws FormatException {
        JsonNode list = quantization.find(PLAIN);
        Set<String> names = new LinkedHashSet<>();
        if (list == null) {
            return names;
        }
        if (!list.isArray()) {
            throw quantization.wrong(PLAIN, "a list of names");
        }
        for (JsonNode name : list) {
            if (!name.isTextual()) {
                throw quantization.wrong(PLAIN, "a list of names");
            }
            names.add(name.textValue());
        }
        return names;
    }

    /**
     * One linear.
     *
     * @param size [out, in]
     */
    public static AdditiveCodebook read(TensorStore store, String module, CodebookShape shape, int[] size)
            throws FormatException {
        StoredTensor codes = store.expect(module + ".codes");
        if (size[1] % shape.groupSize() != 0) {
            throw new FormatException(
                    "%s: got groups of %d, want groups that divide the rows of [%d, %d]",
                    codes.place(), shape.groupSize(), size[0], size[1]);
        }
        expect(codes, size[0], size[1] / shape.groupSize(), shape.count());
        StoredType type = typeOf(shape.bits());
        if (codes.type() != type) {
            throw new FormatException("%s: got dtype %s, want %s", codes.place(), codes.type(), type);
        }
        int entries = 1 << shape.bits();
        Tensor codebooks = finite(store.expect(module + ".codebooks"), shape.count(), entries, 1, shape.groupSize());
        Tensor scales = finite(store.expect(module + ".scales"), size[0], 1, 1, 1);
        return new AdditiveCodebook(
                size[0],
                size[1],
                codes.data(),
                reshaped(codebooks, shape.count(), entries, shape.groupSize()),
                reshaped(scales, size[0]));
    }

    private static StoredType typeOf(int bits) {
        return bits <= Byte.SIZE ? StoredType.I8 : StoredType.I16;
    }

    private static Tensor reshaped(Tensor tensor, int... dimensions) {
        return new Tensor(tensor.dtype(), Shape.of(dimensions), tensor.data());
    }

    /** A shape that a file wants may be larger than any; so it is compared and not made. */
    private static void expect(StoredTensor tensor, Integer... dimensions) throws FormatException {
        if (!tensor.shape().dimensions().equals(List.of(dimensions))) {
            throw new FormatException("%s: got %s, want %s", tensor.place(), tensor.shape(), List.of(dimensions));
        }
    }

    private static Tensor finite(StoredTensor stored, Integer... dimensions) throws FormatException {
        expect(stored, dimensions);
        int[] same = List.of(dimensions).stream().mapToInt(Integer::intValue).toArray();
        return stored.expectFinite(same);
    }

    /** The tensors of one linear; codes keep the bits that they have. */
    public static Map<String, Payload> tensors(String module, AdditiveCodebook weight) {
        Map<String, Payload> tensors = new LinkedHashMap<>();
        tensors.put(
                module + ".codes",
                Payload.of(
                        typeOf(weight.bits()),
                        Shape.of(weight.out(), weight.groupsPerRow(), weight.codebookCount()),
                        weight.codes()));
        tensors.put(
                module + ".codebooks",
                payload(weight.codebooks(), weight.codebookCount(), weight.entries(), 1, weight.groupSize()));
        tensors.put(module + ".scales", payload(weight.scales(), weight.out(), 1, 1, 1));
        return tensors;
    }

    private static Payload payload(Tensor tensor, int... dimensions) {
        return Payload.of(StoredType.of(tensor.dtype()), Shape.of(dimensions), tensor.data());
    }
}
