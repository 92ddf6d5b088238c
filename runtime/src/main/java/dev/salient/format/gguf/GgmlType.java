package dev.salient.format.gguf;

import dev.salient.packed.GroupFormat;
import dev.salient.packed.SuperFormat;
import dev.salient.tensor.DType;
import org.jspecify.annotations.Nullable;

/** The tensor types that are read from GGUF, with the number that stands for each in a file. */
enum GgmlType {
    F32(0, DType.F32, null),
    F16(1, DType.F16, null),
    Q4_0(2, null, GroupFormat.Q4_0),
    Q4_1(3, null, GroupFormat.Q4_1),
    Q5_0(6, null, GroupFormat.Q5_0),
    Q5_1(7, null, GroupFormat.Q5_1),
    Q8_0(8, null, GroupFormat.Q8_0),
    Q2_K(10, SuperFormat.Q2_K),
    Q3_K(11, SuperFormat.Q3_K),
    Q4_K(12, SuperFormat.Q4_K),
    Q5_K(13, SuperFormat.Q5_K),
    Q6_K(14, SuperFormat.Q6_K),
    IQ4_NL(20, SuperFormat.IQ4_NL),
    IQ4_XS(23, SuperFormat.IQ4_XS),
    BF16(30, DType.BF16, null),
    TQ1_0(34, null, GroupFormat.TQ1_0),
    TQ2_0(35, null, GroupFormat.TQ2_0),
    Q1_0(41, null, GroupFormat.Q1_0),
    Q2_0(42, null, GroupFormat.Q2_0);

    private final int id;
    private final @Nullable DType dtype;
    private final @Nullable GroupFormat groups;
    private final @Nullable SuperFormat blocks;

    GgmlType(int id, @Nullable DType dtype, @Nullable GroupFormat groups) {
        this.id = id;
        this.dtype = dtype;
        this.groups = groups;
        this.blocks = null;
    }

    GgmlType(int id, SuperFormat blocks) {
        this.id = id;
        this.dtype = null;
        this.groups = null;
        this.blocks = blocks;
    }

    static @Nullable GgmlType find(int id) {
        for (GgmlType type : values()) {
            if (type.id == id) {
                return type;
            }
        }
        return null;
    }

    /** The type of elements that stand alone. */
    static GgmlType of(DType dtype) {
        return switch (dtype) {
            case F32 -> F32;
            case F16 -> F16;
            case BF16 -> BF16;
        };
    }

    /** The type of a group layout. */
    static GgmlType of(GroupFormat groups) {
        return switch (groups) {
            case Q8_0 -> Q8_0;
            case Q4_0 -> Q4_0;
            case Q4_1 -> Q4_1;
            case Q5_0 -> Q5_0;
            case Q5_1 -> Q5_1;
            case Q2_0 -> Q2_0;
            case TQ1_0 -> TQ1_0;
            case TQ2_0 -> TQ2_0;
            case Q1_0 -> Q1_0;
        };
    }

    /** The type of a layout in blocks. */
    static GgmlType of(SuperFormat blocks) {
        return switch (blocks) {
            case Q2_K -> Q2_K;
            case Q3_K -> Q3_K;
            case Q4_K -> Q4_K;
            case Q5_K -> Q5_K;
            case Q6_K -> Q6_K;
            case IQ4_NL -> IQ4_NL;
            case IQ4_XS -> IQ4_XS;
        };
    }

    /** Whether rows of this length are whole groups. */
    boolean fits(int rowLength) {
        return rowLength % elementsPerGroup() == 0;
    }

    long bytesOf(int rowLength) {
        return (long) rowLength / elementsPerGroup() * bytesPerGroup();
    }

    /** The number that {@code general.file_type} has where most matrices are of this type. */
    int fileType() {
        return switch (this) {
            case F32 -> 0;
            case F16 -> 1;
            case Q4_0 -> 2;
            case Q4_1 -> 3;
            case Q8_0 -> 7;
            case Q5_0 -> 8;
            case Q5_1 -> 9;
            case Q2_K -> 10;
            case Q3_K -> 12;
            case Q4_K -> 15;
            case Q5_K -> 17;
            case Q6_K -> 18;
            case IQ4_NL -> 25;
            case IQ4_XS -> 30;
            case BF16 -> 32;
            case TQ1_0 -> 36;
            case TQ2_0 -> 37;
            case Q1_0 -> 40;
            case Q2_0 -> 41;
        };
    }

    /** The number in a file. */
    int id() {
        return id;
    }

    /** The element type; null where elements come in groups. */
    @Nullable
    DType dtype() {
        return dtype;
    }

    /** The group layout; null where elements stand alone. */
    @Nullable
    GroupFormat groups() {
        return groups;
    }

    /** The layout in blocks; null where elements stand alone or in groups. */
    @Nullable
    SuperFormat blocks() {
        return blocks;
    }

    int elementsPerGroup() {
        return blocks != null ? blocks.blockSize() : groups == null ? 1 : groups.groupSize();
    }

    int bytesPerGroup() {
        return blocks != null
                ? blocks.byteCount()
                : groups != null ? groups.byteCount() : dtype != null ? dtype.byteCount() : 0;
    }
}
