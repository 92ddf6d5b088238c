package dev.salient.format.gptq;

import dev.salient.format.FormatException;
import dev.salient.format.gptq.GptqConfig.Grid;
import dev.salient.format.hf.HfNames;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.format.safetensors.StoredType;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * How the linears of a folder turned out, read off their tensors' shapes.
 *
 * @param grids by linear, with the group size in channels; null for a linear that is not packed
 */
record FolderSummary(ModelConfig config, Map<LinearId, @Nullable Grid> grids) {
    static final String CONFIG = "config.json";
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** The grid of a packed module; null where it is not packed. */
    static @Nullable Grid findGrid(TensorStore store, String module, int in) throws FormatException {
        if (!store.has(module + ".qweight")) {
            return null;
        }
        StoredTensor codes = store.expect(module + ".qweight");
        StoredTensor scales = store.expect(module + ".scales");
        if (codes.shape().rank() != 2
                || scales.shape().rank() != 2
                || scales.shape().dimension(0) == 0) {
            throw new FormatException("%s: got %s, want [in * bits / 32, out]", codes.place(), codes.shape());
        }
        long bits = (long) codes.shape().dimension(0) * Integer.SIZE / in;
        return new Grid((int) bits, in / scales.shape().dimension(0));
    }

    /** {@link #findGrid}, or any grid where it would not be looked at. */
    static Grid gridOrDefault(TensorStore store, String module, int in) throws FormatException {
        Grid grid = findGrid(store, module, in);
        return grid == null ? new Grid(4, -1) : grid;
    }

    static void addBlock(int block, ModelConfig config, TensorStore store, Map<LinearId, @Nullable Grid> grids)
            throws FormatException {
        for (Linear linear : Linear.values()) {
            LinearId id = new LinearId(block, linear);
            grids.put(id, findGrid(store, HfNames.module(id), linear.in(config)));
        }
    }

    /** Whether every zero point of a block is the middle of its grid; they are stored less {@code offset}. */
    static boolean isSymmetric(int block, ModelConfig config, TensorStore store, int offset) throws FormatException {
        for (Linear linear : Linear.values()) {
            String module = HfNames.module(new LinearId(block, linear));
            Grid grid = findGrid(store, module, linear.in(config));
            if (grid != null) {
                StoredTensor zeros = store.expect(module + ".qzeros");
                int middle = (1 << (grid.bits() - 1)) - offset;
                if (!allAre(middle, grid.bits(), zeros.expectRaw(StoredType.I32, dimensions(zeros)))) {
                    return false;
                }
            }
        }
        return true;
    }

    /** Whether groups of any linear of a block are of channels that do not lie beside each other. */
    static boolean isActOrder(int block, ModelConfig config, TensorStore store) throws FormatException {
        for (Linear linear : Linear.values()) {
            String module = HfNames.module(new LinearId(block, linear));
            Grid grid = findGrid(store, module, linear.in(config));
            if (grid != null) {
                MemorySegment groups = store.expect(module + ".g_idx").expectRaw(StoredType.I32, linear.in(config));
                for (int i = 0; i < linear.in(config); i++) {
                    if (groups.get(INT, (long) i * Integer.BYTES) != i / grid.groupSize()) {
                        return true;
                    }
                }
            }
        }
        return false;
    }

    static int[] dimensions(StoredTensor tensor) {
        return tensor.shape().dimensions().stream().mapToInt(Integer::intValue).toArray();
    }

    private static boolean allAre(int zero, int bits, MemorySegment zeros) {
        long count = zeros.byteSize() * Byte.SIZE / bits;
        for (long i = 0; i < count; i++) {
            if (GptqPacking.bitsAt(zeros, i * bits, bits) != zero) {
                return false;
            }
        }
        return true;
    }

    /** Whether any linear is packed. */
    boolean hasPacked() {
        return grids.values().stream().anyMatch(grid -> grid != null);
    }

    /** The grid that describes the most linears: a group size as it is, or -1 for whole rows. */
    Grid commonGrid() {
        Set<Grid> candidates = new LinkedHashSet<>();
        for (Grid grid : grids.values()) {
            if (grid != null) {
                candidates.add(grid);
            }
        }
        for (Grid grid : Set.copyOf(candidates)) {
            candidates.add(new Grid(grid.bits(), -1));
        }
        Map<Grid, Long> described = new LinkedHashMap<>();
        candidates.stream()
                .sorted(java.util.Comparator.comparingInt(Grid::bits)
                        .thenComparing(Grid::groupSize, java.util.Comparator.reverseOrder()))
                .forEach(candidate -> described.put(candidate, count(candidate)));
        return java.util.Collections.max(described.entrySet(), Map.Entry.comparingByValue())
                .getKey();
    }

    private long count(Grid candidate) {
        return grids.entrySet().stream()
                .filter(entry -> describes(candidate, entry.getKey(), entry.getValue()))
                .count();
    }

    /** Whether a stated grid means the grid that a linear has. */
    boolean describes(Grid stated, LinearId id, @Nullable Grid actual) {
        return actual != null
                && stated.bits() == actual.bits()
                && stated.groupSizeFor(id.linear().in(config)) == actual.groupSize();
    }
}
