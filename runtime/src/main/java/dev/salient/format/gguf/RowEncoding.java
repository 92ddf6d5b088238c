package dev.salient.format.gguf;

import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.GroupFormat;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.Reordered;
import dev.salient.packed.Rounding;
import dev.salient.packed.ScaleMixture;
import dev.salient.packed.ScaledGroups;
import dev.salient.packed.SuperBlocks;
import dev.salient.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How a weight is written.
 *
 * @param exact whether the file holds the same values
 * @param rows in our order
 */
record RowEncoding(GgmlType type, boolean exact, Rows rows) {
    /** The rows of a tensor in the form of a file. */
    @FunctionalInterface
    interface Rows {
        /**
         * Encodes one row.
         *
         * @param target all bytes of the row; overwritten
         */
        void encode(int row, MemorySegment target);
    }

    private static final List<GgmlType> UP_TO_TWO_BITS = List.of(GgmlType.Q1_0, GgmlType.TQ2_0, GgmlType.Q2_0);

    private static final List<GgmlType> SMALLEST_FIRST =
            List.of(GgmlType.Q1_0, GgmlType.TQ2_0, GgmlType.Q2_0, GgmlType.Q4_0, GgmlType.Q5_0, GgmlType.Q8_0);

    /**
     * Chooses one.
     *
     * @param place begins messages
     * @param weight without an adapter
     * @param twoBits whether a weight that is a Q1_0, TQ2_0 or Q2_0 becomes one whatever is asked for
     * @throws IllegalArgumentException where the weight can't be written in the type
     */
    static RowEncoding of(String place, PackedWeight weight, GgufType type, TwoBits twoBits) {
        if (type == GgufType.AS_STORED) {
            return asStored(place, weight);
        }
        if (twoBits == TwoBits.KEPT) {
            for (GgmlType few : UP_TO_TWO_BITS) {
                Rows rows = findExact(weight, few);
                if (rows != null) {
                    return new RowEncoding(few, true, rows);
                }
            }
        }
        GgmlType target = GgmlType.valueOf(type.name());
        if (!target.fits(weight.in())) {
            throw new IllegalArgumentException("%s: got rows of %d, want a multiple of %d for %s; F16 takes any"
                    .formatted(place, weight.in(), target.elementsPerGroup(), target));
        }
        Rows rows = findExact(weight, target);
        return rows == null
                ? new RowEncoding(target, target == GgmlType.F32, rounded(place, weight, target))
                : new RowEncoding(target, true, rows);
    }

    /** The smallest type that holds the same values. */
    static RowEncoding asStored(String place, PackedWeight weight) {
        return switch (weight) {
            case Dense dense ->
                copy(GgmlType.of(dense.values().dtype()), dense, dense.values().data());
            case ScaledGroups groups -> copy(GgmlType.of(groups.format()), groups, groups.data());
            case SuperBlocks blocks -> copy(GgmlType.of(blocks.format()), blocks, blocks.data());
            case GroupAffine affine -> {
                for (GgmlType type : SMALLEST_FIRST) {
                    Rows rows = findExact(affine, type);
                    if (rows != null) {
                        yield new RowEncoding(type, true, rows);
                    }
                }
                yield plain(place, affine);
            }
            case AdditiveCodebook codebooks -> plain(place, codebooks);
            case ScaleMixture mixture -> plain(place, mixture);
            case Reordered reordered -> plain(place, reordered);
            case LowRank adapted ->
                throw new IllegalArgumentException(
                        "%s: got an adapter of rank %d, want the weight below it".formatted(place, adapted.rank()));
        };
    }

    /** As numbers, in the smaller type that holds them. */
    private static RowEncoding plain(String place, PackedWeight weight) {
        GgmlType type = fitsHalf(weight) ? GgmlType.F16 : GgmlType.F32;
        return new RowEncoding(type, true, rounded(place, weight, type));
    }

    private static RowEncoding copy(GgmlType type, PackedWeight weight, MemorySegment data) {
        long bytes = type.bytesOf(weight.in());
        return new RowEncoding(type, true, (row, target) -> MemorySegment.copy(data, row * bytes, target, 0, bytes));
    }

    /** The rows of a weight in a type that holds exactly its values and is not F32; null where it doesn't. */
    private static @Nullable Rows findExact(PackedWeight weight, GgmlType type) {
        if (weight instanceof Dense dense && dense.values().dtype() == type.dtype()) {
            return copy(type, dense, dense.values().data()).rows;
        }
        if (weight instanceof ScaledGroups groups && groups.format() == type.groups()) {
            return copy(type, groups, groups.data()).rows;
        }
        GroupLevels levels = GroupLevels.find(type.groups());
        return weight instanceof GroupAffine affine && levels != null && levels.hold(affine)
                ? (row, target) -> levels.encode(affine, row, target)
                : null;
    }

    private static boolean fitsHalf(PackedWeight weight) {
        float[] values = new float[weight.in()];
        for (int row = 0; row < weight.out(); row++) {
            weight.decodeRow(row, values, 0);
            for (float value : values) {
                if (Float.float16ToFloat(Float.floatToFloat16(value)) != value) {
                    return false;
                }
            }
        }
        return true;
    }

    private static Rows rounded(String place, PackedWeight weight, GgmlType type) {
        float[] values = new float[weight.in()];
        DType dtype = type.dtype();
        if (dtype == null) {
            GroupFormat format = Objects.requireNonNull(type.groups());
            byte[] bytes = new byte[weight.in() / format.groupSize() * format.byteCount()];
            return (row, target) -> {
                weight.decodeRow(row, values, 0);
                Rounding.row(format, values, bytes, 0);
                MemorySegment.copy(bytes, 0, target, ValueLayout.JAVA_BYTE, 0, bytes.length);
            };
        }
        return (row, target) -> {
            weight.decodeRow(row, values, 0);
            for (int i = 0; i < values.length; i++) {
                dtype.set(target, i, values[i]);
                if (Float.isInfinite(dtype.get(target, i))) {
                    throw new IllegalArgumentException(
                            "%s: got %s at [%d, %d], want a number that %s can hold; F32 does"
                                    .formatted(place, values[i], row, i, type));
                }
            }
        };
    }
}
