package dev.salient.format.safetensors;

import dev.salient.tensor.DType;
import org.jspecify.annotations.Nullable;

/** The element types that a safetensors header may name. */
public enum StoredType {
    BOOL(1, null),
    U8(1, null),
    I8(1, null),
    F8_E5M2(1, null),
    F8_E4M3(1, null),
    I16(2, null),
    U16(2, null),
    F16(2, DType.F16),
    BF16(2, DType.BF16),
    I32(4, null),
    U32(4, null),
    F32(4, DType.F32),
    F64(8, null),
    I64(8, null),
    U64(8, null);

    private final int byteCount;
    private final @Nullable DType dtype;

    StoredType(int byteCount, @Nullable DType dtype) {
        this.byteCount = byteCount;
        this.dtype = dtype;
    }

    /** Bytes of one element. */
    public int byteCount() {
        return byteCount;
    }

    /** The type to compute with; null for those that only carry codes. */
    public @Nullable DType dtype() {
        return dtype;
    }

    /** The type of this name; null where there is none. */
    static @Nullable StoredType find(String name) {
        for (StoredType type : values()) {
            if (type.name().equals(name)) {
                return type;
            }
        }
        return null;
    }

    /** The stored form of a computing type. */
    public static StoredType of(DType dtype) {
        return switch (dtype) {
            case F32 -> F32;
            case F16 -> F16;
            case BF16 -> BF16;
        };
    }
}
