package dev.salient.kernel;

import static dev.salient.kernel.Codes.fifthBits;
import static dev.salient.kernel.Codes.floats;
import static dev.salient.kernel.Codes.signed;
import static dev.salient.kernel.Codes.threeBits;
import static dev.salient.kernel.Codes.unsigned;
import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** Values of a tile's row, in plane order: what a product with many tokens begins with. */
final class Unpacker {
    private Unpacker() {}

    /** Writes one row's values to {@code values[to]} and following. */
    static void unpack(Tile tile, int row, float[] values, int to) {
        switch (tile.layout) {
            case TWO_BITS -> twoBits(tile, row, values, to);
            case THREE_BITS -> threeBitStream(tile, row, values, to);
            case NIBBLE_PAIRS, NIBBLE_HALVES -> nibbles(tile, row, values, to);
            case FIVE_BITS -> fiveBits(tile, row, values, to);
            case UNSIGNED_BYTES -> unsignedBytes(tile, row, values, to);
            case SIGNED_BYTES -> signedBytes(tile, row, values, to);
            case VALUES -> System.arraycopy(tile.values, row * tile.width, values, to, tile.width);
        }
    }

    private static FloatVector broadcast(float value) {
        return FloatVector.broadcast(FLOATS, value);
    }

    private static void twoBits(Tile tile, int row, float[] values, int to) {
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

    private static void nibbles(Tile tile, int row, float[] values, int to) {
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

    private static void fiveBits(Tile tile, int row, float[] values, int to) {
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

    private static void threeBitStream(Tile tile, int row, float[] values, int to) {
        int at = tile.codesAt(row);
        for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
            FloatVector scale = broadcast(tile.scales[row * tile.chunks + c]);
            FloatVector offset = broadcast(tile.offsets[row * tile.chunks + c]);
            for (int i = 0; i < 32; i += COUNT) {
                floats(threeBits(tile.bytes, at, i)).fma(scale, offset).intoArray(values, to + c * 32 + i);
            }
        }
    }

    private static void unsignedBytes(Tile tile, int row, float[] values, int to) {
        int at = tile.codesAt(row);
        for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
            FloatVector scale = broadcast(tile.scales[row * tile.chunks + c]);
            FloatVector offset = broadcast(tile.offsets[row * tile.chunks + c]);
            for (int i = 0; i < 32; i += COUNT) {
                floats(unsigned(tile.bytes, at + i)).fma(scale, offset).intoArray(values, to + c * 32 + i);
            }
        }
    }

    private static void signedBytes(Tile tile, int row, float[] values, int to) {
        int at = tile.codesAt(row);
        for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
            FloatVector scale = broadcast(tile.scales[row * tile.chunks + c]);
            for (int i = 0; i < 32; i += COUNT) {
                floats(signed(tile.bytes, at + i)).mul(scale).intoArray(values, to + c * 32 + i);
            }
        }
    }
}
