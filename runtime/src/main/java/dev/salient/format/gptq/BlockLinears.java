package dev.salient.format.gptq;

import dev.salient.format.FormatException;
import dev.salient.format.hf.HfNames;
import dev.salient.format.hf.HfWeights.LinearReader;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.SuperBlocks;
import dev.salient.packed.SuperFormat;
import dev.salient.tensor.Shape;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Linears in GGUF's blocks as our folders hold them, byte for byte as GGUF does: {@code q2_k}, U8, [out, in / 256 * 84], and so on. No other
 * program reads such a folder: it is what a GGUF file is made of.
 */
final class BlockLinears {
    /** The value of {@code quant_method} where any linear is in blocks; keys of GPTQ beside it where others are packed so. */
    static final String METHOD = "gguf-blocks";

    private BlockLinears() {}

    private static String name(String module, SuperFormat format) {
        return module + "." + format.name().toLowerCase(Locale.ROOT);
    }

    /** The layout of a module's blocks; null where it has none. */
    static @Nullable SuperFormat find(TensorStore store, String module) {
        for (SuperFormat format : SuperFormat.values()) {
            if (store.has(name(module, format))) {
                return format;
            }
        }
        return null;
    }

    /** A reader that takes linears in blocks from this store, and leaves the others to another. */
    static LinearReader over(TensorStore store, LinearReader others) {
        return (id, out, in) -> {
            String module = HfNames.module(id);
            SuperFormat format = find(store, module);
            return format == null ? others.read(id, out, in) : read(store, module, format, new int[] {out, in});
        };
    }

    private static PackedWeight read(TensorStore store, String module, SuperFormat format, int[] size)
            throws FormatException {
        var blocks = store.expect(name(module, format));
        if (size[1] % format.blockSize() != 0) {
            throw new FormatException(
                    "%s: got rows of %d channels, want a multiple of %d", blocks.place(), size[1], format.blockSize());
        }
        int rowBytes = size[1] / format.blockSize() * format.byteCount();
        return new SuperBlocks(size[0], size[1], format, blocks.expectRaw(StoredType.U8, size[0], rowBytes));
    }

    static Map<String, Payload> tensors(String module, SuperBlocks weight) {
        SuperFormat format = weight.format();
        int rowBytes = weight.in() / format.blockSize() * format.byteCount();
        return Map.of(name(module, format), Payload.of(StoredType.U8, Shape.of(weight.out(), rowBytes), weight.data()));
    }
}
