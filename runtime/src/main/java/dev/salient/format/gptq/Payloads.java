package dev.salient.format.gptq;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.format.WeightError;
import dev.salient.format.aqlm.AqlmLinears;
import dev.salient.format.hf.DenseMatrix;
import dev.salient.format.mos.MixtureLinears;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.Reordered;
import dev.salient.packed.ScaleMixture;
import dev.salient.packed.ScaledGroups;
import dev.salient.packed.SuperBlocks;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Weights as the tensors that stand for them in a file. */
final class Payloads {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private Payloads() {}

    /** A tensor as it is. */
    static Payload of(Tensor tensor) {
        return DenseMatrix.asStored(tensor);
    }

    /** The tensors of a linear: packed, or plain. */
    static Map<String, Payload> linear(String module, PackedWeight weight, Arena arena) {
        return switch (weight) {
            case GroupAffine affine -> packed(module, affine, null, arena);
            case Dense dense -> Map.of(module + ".weight", of(dense.values()));
            case ScaledGroups groups -> Map.of(module + ".weight", dense(groups));
            case SuperBlocks blocks -> BlockLinears.tensors(module, blocks);
            case AdditiveCodebook codebooks -> AqlmLinears.tensors(module, codebooks);
            case ScaleMixture mixture -> MixtureLinears.tensors(module, mixture);
            case Reordered reordered -> packed(module, reordered.base(), reordered.channels(), arena);
            case LowRank adapted ->
                throw new IllegalArgumentException(
                        "%s: got an adapter of rank %d, want the weight below it".formatted(module, adapted.rank()));
        };
    }

    /** What is said of codebooks where a grid is wanted. */
    static IllegalArgumentException codebooks(String place) {
        return new IllegalArgumentException(
                "%s: got codebooks, want a grid of scale and zero point; --to aqlm keeps them, --to hf and --to gguf hold their values"
                        .formatted(place));
    }

    private static Map<String, Payload> packed(
            String module, GroupAffine weight, int @Nullable [] channels, Arena arena) {
        GptqPacking packing = GptqPacking.pack(weight, channels, arena);
        int groups = weight.groupsPerRow();
        Map<String, Payload> tensors = new LinkedHashMap<>();
        tensors.put(
                module + ".qweight",
                Payload.of(StoredType.I32, shapeOfWords(weight.in(), weight.bits(), weight.out()), packing.codes()));
        tensors.put(
                module + ".qzeros",
                Payload.of(StoredType.I32, Shape.of(groups, wordsOf(weight.out(), weight.bits())), packing.zeros()));
        tensors.put(module + ".scales", Payload.of(StoredType.F16, Shape.of(groups, weight.out()), packing.scales()));
        MemorySegment order = arena.allocate((long) weight.in() * Integer.BYTES);
        for (int i = 0; i < weight.in(); i++) {
            int channel = channels == null ? i : channels[i];
            order.set(INT, (long) channel * Integer.BYTES, i / weight.groupSize());
        }
        tensors.put(module + ".g_idx", Payload.of(StoredType.I32, Shape.of(weight.in()), order));
        return tensors;
    }

    private static Shape shapeOfWords(int codes, int bits, int columns) {
        return Shape.of(wordsOf(codes, bits), columns);
    }

    private static int wordsOf(int codes, int bits) {
        return Math.toIntExact((long) codes * bits / Integer.SIZE);
    }

    /** A weight without packing: as it is where it is dense, its values in fp16 otherwise. */
    static Payload dense(PackedWeight weight) {
        return weight instanceof Dense dense
                ? of(dense.values())
                : new DenseMatrix("weight", weight, DType.F16).payload(new WeightError());
    }

    /** The matrices of an adapter, and its magnitudes, fp16. */
    static Map<String, Payload> adapter(String module, LowRank adapted) {
        Map<String, Payload> tensors = new LinkedHashMap<>();
        tensors.put(PeftAdapter.tensorName(module, "A"), half(adapted.a()));
        tensors.put(PeftAdapter.tensorName(module, "B"), half(adapted.b()));
        if (adapted.magnitude() != null) {
            tensors.put(PeftAdapter.magnitudeName(module), half(adapted.magnitude()));
        }
        return tensors;
    }

    private static Payload half(Tensor tensor) {
        if (tensor.dtype() == DType.F16) {
            return of(tensor);
        }
        MemorySegment rounded =
                MemorySegment.ofArray(new byte[Math.toIntExact(tensor.shape().elementCount() * Short.BYTES)]);
        for (long i = 0; i < tensor.shape().elementCount(); i++) {
            DType.F16.set(rounded, i, tensor.get(i));
            require(
                    Float.isFinite(DType.F16.get(rounded, i)),
                    "adapter: got %s at %d, want a number that fp16 can hold",
                    tensor.get(i),
                    i);
        }
        return Payload.of(StoredType.F16, tensor.shape(), rounded);
    }
}
