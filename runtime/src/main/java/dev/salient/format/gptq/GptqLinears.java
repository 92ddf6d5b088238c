package dev.salient.format.gptq;

import dev.salient.format.FormatException;
import dev.salient.format.gptq.GptqConfig.Grid;
import dev.salient.format.hf.HfNames;
import dev.salient.format.hf.HfWeights.LinearReader;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.format.safetensors.StoredType;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.model.LinearId;
import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.Reordered;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * Reads packed linears out of a GPTQ-format folder, and repacks them row by row.
 *
 * @param arena owns the repacked weights
 */
record GptqLinears(TensorStore store, GptqConfig config, Arena arena) implements LinearReader {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    @Override
    public PackedWeight read(LinearId id, int out, int in) throws FormatException {
        String module = HfNames.module(id);
        if (!store.has(module + ".qweight")) {
            return new Dense(store.expect(module + ".weight").expectReal(out, in));
        }
        StoredTensor codes = store.expect(module + ".qweight");
        Grid grid = config.gridOf(module);
        if (grid == null) {
            throw new FormatException("%s: got a packed weight, want a plain one, as \"dynamic\" says", codes.place());
        }
        int bits = grid.bits();
        int groupSize = grid.groupSizeFor(in);
        if (in % groupSize != 0 || !GptqPacking.fits(out, in, bits)) {
            throw new FormatException(
                    "%s: got groups of %d in %d bits, want groups that divide [%d, %d] and fill 32-bit words",
                    codes.place(), groupSize, bits, out, in);
        }
        int groups = in / groupSize;
        GptqPacking packing = new GptqPacking(
                codes.expectRaw(StoredType.I32, wordsOf(in, bits), out),
                zeros(module, groups, out, bits),
                store.expect(module + ".scales").expectScales(arena, groups, out));
        int[] channels = findOrder(module, in, groupSize);
        GroupAffine weight = packing.unpack(new GptqPacking.Sizes(out, in, bits, groupSize), channels, arena);
        return channels == null ? weight : new Reordered(weight, channels);
    }

    /** Zero points as they are. */
    private MemorySegment zeros(String module, int groups, int out, int bits) throws FormatException {
        StoredTensor zeros = store.expect(module + ".qzeros");
        MemorySegment stored = zeros.expectRaw(StoredType.I32, groups, wordsOf(out, bits));
        if (config.zeroOffset() == 0) {
            return stored;
        }
        int most = (1 << bits) - 1;
        long count = stored.byteSize() * Byte.SIZE / bits;
        for (long i = 0; !config.borrows() && i < count; i++) {
            if (GptqPacking.bitsAt(stored, i * bits, bits) == most) {
                throw new FormatException(
                        "%s: got zero point %d at %d, want 1 to %d", zeros.place(), most + 1, i, most);
            }
        }
        return GptqPacking.raised(stored, bits, arena);
    }

    private static int wordsOf(int codes, int bits) {
        return Math.toIntExact((long) codes * bits / Integer.SIZE);
    }

    /** The input channels group by group, as act-order has them; null where channel i is in group i / groupSize. */
    private int @Nullable [] findOrder(String module, int in, int groupSize) throws FormatException {
        if (!store.has(module + ".g_idx")) {
            return null;
        }
        StoredTensor order = store.expect(module + ".g_idx");
        MemorySegment groups = order.expectRaw(StoredType.I32, in);
        int[] channels = new int[in];
        int[] filled = new int[in / groupSize];
        boolean inOrder = true;
        for (int i = 0; i < in; i++) {
            int group = groups.get(INT, (long) i * Integer.BYTES);
            if (group < 0 || group >= filled.length) {
                throw new FormatException(
                        "%s: got group %d for channel %d, want 0 to %d", order.place(), group, i, filled.length - 1);
            }
            if (filled[group] == groupSize) {
                throw new FormatException(
                        "%s: got more than %d channels in group %d, want as many in each",
                        order.place(), groupSize, group);
            }
            channels[group * groupSize + filled[group]++] = i;
            inOrder &= group == i / groupSize;
        }
        return inOrder ? null : channels;
    }
}
