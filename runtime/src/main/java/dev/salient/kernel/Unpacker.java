package dev.salient.kernel;

import static dev.salient.kernel.Codes.fifthBits;
import static dev.salient.kernel.Codes.floats;
import static dev.salient.kernel.Codes.signed;
import static dev.salient.kernel.Codes.threeBits;
import static dev.salient.kernel.Codes.unsigned;
import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;
import static java.lang.invoke.MethodHandles.lookup;
import static java.lang.invoke.MethodType.methodType;

import java.lang.invoke.MethodHandle;
import java.util.EnumMap;
import java.util.Objects;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** Values of a tile's row, in plane order: what a product with many tokens begins with. */
final class Unpacker {
    private static final EnumMap<CodeLayout, MethodHandle> KERNELS = Apart.methods(
            lookup(), methodType(void.class, Tile.class, int.class, float[].class, int.class), Unpacker::kernel);

    private Unpacker() {}

    private static String kernel(CodeLayout layout) {
        return switch (layout) {
            case TWO_BITS -> "twoBits";
            case THREE_BITS -> "threeBitStream";
            case NIBBLE_PAIRS, NIBBLE_HALVES -> "nibbles";
            case FIVE_BITS -> "fiveBits";
            case UNSIGNED_BYTES -> "unsignedBytes";
            case SIGNED_BYTES -> "signedBytes";
            case VALUES -> "values";
        };
    }

    /** Writes one row's values to {@code values[to]} and following. */
    static void unpack(Tile tile, int row, float[] values, int to) {
        MethodHandle kernel = Objects.requireNonNull(KERNELS.get(tile.layout));
        try {
            kernel.invokeExact(tile, row, values, to);
        } catch (Throwable e) {
            throw Apart.thrown(e);
        }
    }

    static void values(Tile tile, int row, float[] values, int to) {
        System.arraycopy(tile.values, row * tile.width, values, to, tile.width);
    }

    private static FloatVector broadcast(float value) {
        return FloatVector.broadcast(FLOATS, value);
    }

    static void twoBits(Tile tile, int row, float[] values, int to) {
        int at = tile.codesAt(row);
        for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
            float scale = tile.scales[row * tile.chunks + c];
            FloatVector offset = broadcast(tile.offsets[row * tile.chunks + c]);
            for (int i = 0; i < 16; i += COUNT) {
                IntVector bytes = unsigned(tile.bytes, at + i);
                int place = to + c * 64 + i;
                floats(bytes.and(0x03)).fma(broadcast(scale), offset).intoArray(values, place);
                floats(bytes.and(0x0C)).fma(broadcast(scale * 0x1p-2f), offset).intoArray(values, place + 16);
                floats(bytes.and(0x30)).fma(broadcast(scale * 0x1p-4f), offset).intoArray(values, place + 32);
                floats(bytes.and(0xC0)).fma(broadcast(scale * 0x1p-6f), offset).intoArray(values, place + 48);
            }
        }
    }

    static void nibbles(Tile tile, int row, float[] values, int to) {
        int at = tile.codesAt(row);
        for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
            float scale = tile.scales[row * tile.chunks + c];
            FloatVector offset = broadcast(tile.offsets[row * tile.chunks + c]);
            for (int i = 0; i < 16; i += COUNT) {
                IntVector bytes = unsigned(tile.bytes, at + i);
                int place = to + c * 32 + i;
                floats(bytes.and(0x0F)).fma(broadcast(scale), offset).intoArray(values, place);
                floats(bytes.and(0xF0)).fma(broadcast(scale * 0x1p-4f), offset).intoArray(values, place + 16);
            }
        }
    }

    static void fiveBits(Tile tile, int row, float[] values, int to) {
        int at = tile.codesAt(row);
        for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
            FloatVector scale = broadcast(tile.scales[row * tile.chunks + c]);
            FloatVector offset = broadcast(tile.offsets[row * tile.chunks + c]);
            int fifth = (int) Tile.WORDS.get(tile.bytes, at - 4);
            for (int i = 0; i < 16; i += COUNT) {
                IntVector bytes = unsigned(tile.bytes, at + i);
                IntVector low = bytes.and(0x0F).or(fifthBits(fifth, i));
                IntVector high = bytes.and(0xF0).or(fifthBits(fifth, 16 + i).mul(16));
                int place = to + c * 32 + i;
                floats(low).fma(scale, offset).intoArray(values, place);
                floats(high).fma(scale.mul(0x1p-4f), offset).intoArray(values, place + 16);
            }
        }
    }

    static void threeBitStream(Tile tile, int row, float[] values, int to) {
        int at = tile.codesAt(row);
        for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
            FloatVector scale = broadcast(tile.scales[row * tile.chunks + c]);
            FloatVector offset = broadcast(tile.offsets[row * tile.chunks + c]);
            for (int i = 0; i < 32; i += COUNT) {
                floats(threeBits(tile.bytes, at, i)).fma(scale, offset).intoArray(values, to + c * 32 + i);
            }
        }
    }

    static void unsignedBytes(Tile tile, int row, float[] values, int to) {
        int at = tile.codesAt(row);
        for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
            FloatVector scale = broadcast(tile.scales[row * tile.chunks + c]);
            FloatVector offset = broadcast(tile.offsets[row * tile.chunks + c]);
            for (int i = 0; i < 32; i += COUNT) {
                floats(unsigned(tile.bytes, at + i)).fma(scale, offset).intoArray(values, to + c * 32 + i);
            }
        }
    }

    static void signedBytes(Tile tile, int row, float[] values, int to) {
        int at = tile.codesAt(row);
        for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
            FloatVector scale = broadcast(tile.scales[row * tile.chunks + c]);
            for (int i = 0; i < 32; i += COUNT) {
                floats(signed(tile.bytes, at + i)).mul(scale).intoArray(values, to + c * 32 + i);
            }
        }
    }
}
