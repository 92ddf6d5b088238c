package dev.salient.format.awq;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.salient.format.FormatException;
import dev.salient.format.hf.HfNames;
import dev.salient.format.hf.HfWeights.LinearReader;
import dev.salient.format.json.JsonObject;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.format.safetensors.StoredType;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.model.LinearId;
import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.PackedWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Reads 4-bit linears as AutoAWQ's "gemm" version packs them, and repacks them row by row.
 *
 * <p>{@code qweight} [in, out / 8] holds in each word one input channel of eight output channels, {@code qzeros}
 * [in / groupSize, out / 8] their zero points, as they are; nibble n, lowest first, is that of channel {@link #ORDER}{@code [n]}.
 * {@code scales} are [in / groupSize, out], fp16. A folder without zero points ({@code zero_point} false) has 8 in their place.
 */
public final class AwqLinears implements LinearReader {
    /** The value of {@code quant_method}. */
    public static final String METHOD = "awq";

    private static final int[] ORDER = {0, 2, 4, 6, 1, 3, 5, 7};
    private static final int BITS = 4;
    private static final byte MIDDLE = 1 << (BITS - 1);
    private static final int PER_WORD = Integer.SIZE / BITS;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final TensorStore store;
    private final int groupSize;
    private final boolean hasZeros;
    private final Arena arena;

    private AwqLinears(TensorStore store, int groupSize, boolean hasZeros, Arena arena) {
        this.store = store;
        this.groupSize = groupSize;
        this.hasZeros = hasZeros;
        this.arena = arena;
    }

    /**
     * The linears of a folder.
     *
     * @param quantization its {@code quantization_config}
     * @param arena owns the repacked weights
     */
    public static AwqLinears of(JsonObject quantization, TensorStore store, Arena arena) throws FormatException {
        if (quantization.expectInt("bits") != BITS) {
            throw quantization.wrong("bits", "4");
        }
        String version = quantization.findString("version");
        if (version != null && !version.equalsIgnoreCase("gemm")) {
            throw quantization.wrong("version", "\"gemm\"");
        }
        int groupSize = quantization.expectInt("group_size");
        if (groupSize < -1 || groupSize == 0) {
            throw quantization.wrong("group_size", "-1 or more than 0");
        }
        boolean hasZeros = !quantization.has("zero_point") || quantization.isTrue("zero_point");
        return new AwqLinears(store, groupSize, hasZeros, arena);
    }

    @Override
    public PackedWeight read(LinearId id, int out, int in) throws FormatException {
        String module = HfNames.module(id);
        if (!store.has(module + ".qweight")) {
            return new Dense(store.expect(module + ".weight").expectReal(out, in));
        }
        StoredTensor codes = store.expect(module + ".qweight");
        int size = groupSize == -1 ? in : groupSize;
        if (in % size != 0 || in % 8 != 0 || out % PER_WORD != 0) {
            throw new FormatException(
                    "%s: got groups of %d, want groups that divide, and multiples of 8 in [%d, %d]",
                    codes.place(), size, out, in);
        }
        int groups = in / size;
        MemorySegment words = codes.expectRaw(StoredType.I32, in, out / PER_WORD);
        MemorySegment stored = store.expect(module + ".scales").expectScales(arena, groups, out);
        return new GroupAffine(
                out,
                in,
                BITS,
                size,
                rows(words, out, in),
                transposed(stored, out, groups),
                zeros(module + ".qzeros", out, groups));
    }

    /** [out, groups]; what is written is taken where there are none too, as long as it is there. */
    private MemorySegment zeros(String name, int out, int groups) throws FormatException {
        if (hasZeros || store.has(name)) {
            return bytes(store.expect(name).expectRaw(StoredType.I32, groups, out / PER_WORD), out, groups);
        }
        return arena.allocate((long) out * groups).fill(MIDDLE);
    }

    private static int nibble(int word, int n) {
        return (word >>> (BITS * n)) & 0xF;
    }

    /** [in, out / 8] words to [out, in] nibbles, lowest first. */
    private MemorySegment rows(MemorySegment words, int out, int in) {
        MemorySegment rows = arena.allocate((long) out * in / 2);
        int columns = out / PER_WORD;
        for (int w = 0; w < columns; w++) {
            for (int i = 0; i < in; i += 2) {
                int low = words.get(INT, ((long) i * columns + w) * Integer.BYTES);
                int high = words.get(INT, ((long) (i + 1) * columns + w) * Integer.BYTES);
                for (int n = 0; n < PER_WORD; n++) {
                    long at = (long) (w * PER_WORD + ORDER[n]) * (in / 2) + i / 2;
                    rows.set(JAVA_BYTE, at, (byte) (nibble(low, n) | nibble(high, n) << BITS));
                }
            }
        }
        return rows;
    }

    /** [groups, out / 8] words to [out, groups] bytes. */
    private MemorySegment bytes(MemorySegment words, int out, int groups) {
        MemorySegment bytes = arena.allocate((long) out * groups);
        int columns = out / PER_WORD;
        for (int w = 0; w < columns; w++) {
            for (int g = 0; g < groups; g++) {
                int word = words.get(INT, ((long) g * columns + w) * Integer.BYTES);
                for (int n = 0; n < PER_WORD; n++) {
                    bytes.set(JAVA_BYTE, (long) (w * PER_WORD + ORDER[n]) * groups + g, (byte) nibble(word, n));
                }
            }
        }
        return bytes;
    }

    /** [groups, out] fp16 to [out, groups]. */
    private MemorySegment transposed(MemorySegment scales, int out, int groups) {
        MemorySegment rows = arena.allocate((long) out * groups * Short.BYTES);
        for (int g = 0; g < groups; g++) {
            for (int o = 0; o < out; o++) {
                short scale = scales.get(SHORT, ((long) g * out + o) * Short.BYTES);
                rows.set(SHORT, ((long) o * groups + g) * Short.BYTES, scale);
            }
        }
        return rows;
    }
}
