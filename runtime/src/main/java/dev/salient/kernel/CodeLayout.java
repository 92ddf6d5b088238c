package dev.salient.kernel;

import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaledGroups;

/**
 * How the codes of a chunk lie in its bytes. A chunk is the run of weights that kernels take in one step; it lies within
 * one group, so that it has one scale and one offset: {@code value = scale * code + offset}.
 *
 * <p>Codes of 2 and 4 bits are not shifted into place: plane k of a byte is masked where it is, which multiplies its
 * code by {@code 2^(bits * k)}, and the activations that meet it carry the inverse. Activations are therefore ordered as
 * the planes are.
 */
enum CodeLayout {
    /** 64 codes in 16 bytes, four to a byte, lowest bits first. */
    TWO_BITS(64),
    /** 32 codes in 12 bytes, one stream of bits. */
    THREE_BITS(32),
    /** 32 codes in 16 bytes, neighbours share a byte, low half first. */
    NIBBLE_PAIRS(32),
    /** 32 codes in 16 bytes: the low halves are codes 0 to 15, the high ones 16 to 31. */
    NIBBLE_HALVES(32),
    /** Four bytes of fifth bits before 16 bytes of nibbles in halves. */
    FIVE_BITS(32),
    /** 32 bytes, 0 to 255; two-bit codes too, one a byte, where a group is too short for 64 of them. */
    UNSIGNED_BYTES(32),
    /** 32 bytes, -128 to 127. */
    SIGNED_BYTES(32),
    /** No codes: rows are staged as fp32 values. */
    VALUES(1);

    private final int chunk;

    CodeLayout(int chunk) {
        this.chunk = chunk;
    }

    /** Weights in a chunk. */
    int chunk() {
        return chunk;
    }

    /** The layout in which kernels read this weight; {@link #VALUES} where no other fits. */
    static CodeLayout of(PackedWeight weight) {
        return switch (weight) {
            case Dense dense -> VALUES;
            case LowRank adapted -> VALUES;
            case GroupAffine affine -> {
                CodeLayout layout = switch (affine.bits()) {
                    case 2 -> TWO_BITS;
                    case 3 -> THREE_BITS;
                    case 4 -> NIBBLE_PAIRS;
                    default -> UNSIGNED_BYTES;
                };
                if (affine.groupSize() % layout.chunk == 0) {
                    yield layout;
                }
                yield layout == TWO_BITS && affine.groupSize() % 32 == 0 ? UNSIGNED_BYTES : VALUES;
            }
            case ScaledGroups groups ->
                switch (groups.format()) {
                    case Q8_0 -> SIGNED_BYTES;
                    case Q4_0, Q4_1 -> NIBBLE_HALVES;
                    case Q5_0, Q5_1 -> FIVE_BITS;
                    case Q2_0 -> TWO_BITS;
                };
        };
    }

    /** The column of the weight that stands at this place of the plane order. */
    int column(int place) {
        int inChunk = place % chunk;
        return switch (this) {
            case TWO_BITS -> place - inChunk + 4 * (inChunk % 16) + inChunk / 16;
            case NIBBLE_PAIRS -> place - inChunk + 2 * (inChunk % 16) + inChunk / 16;
            case THREE_BITS, NIBBLE_HALVES, FIVE_BITS, UNSIGNED_BYTES, SIGNED_BYTES, VALUES -> place;
        };
    }
}
