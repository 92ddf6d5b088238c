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

/**
 * Rows of a tile times one token: codes are unpacked into registers and multiplied at once.
 *
 * <p>A row's product is {@code sum_c scale_c * (sum_j code_j x_j) + sum_c offset_c * (sum_j x_j)}: zero points and
 * minima meet only the chunk's sum of activations, outside the inner loop.
 */
final class FusedProduct {
    private static final EnumMap<CodeLayout, MethodHandle> KERNELS = Apart.methods(
            lookup(), methodType(void.class, Tile.class, Input.class, float[].class, int.class), FusedProduct::kernel);

    private FusedProduct() {}

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

    /** Writes the products of all the tile's rows to {@code y[first]} and following. */
    static void multiply(Tile tile, Input x, float[] y, int first) {
        MethodHandle kernel = Objects.requireNonNull(KERNELS.get(tile.layout));
        try {
            kernel.invokeExact(tile, x, y, first);
        } catch (Throwable e) {
            throw Apart.thrown(e);
        }
    }

    private static FloatVector load(float[] x, int at) {
        return FloatVector.fromArray(FLOATS, x, at);
    }

    /** The part of a row's product that its offsets make. */
    private static FloatVector offsets(Tile tile, int row, Input x) {
        FloatVector total = FloatVector.zero(FLOATS);
        int at = row * tile.chunks;
        for (int c = 0; c < tile.chunks; c += COUNT) {
            total = load(tile.offsets, at + c).fma(load(x.sums, c), total);
        }
        return total;
    }

    static void twoBits(Tile tile, Input input, float[] y, int first) {
        byte[] codes = tile.bytes;
        float[] x = input.values;
        for (int row = 0; row < tile.rows; row++) {
            FloatVector total = offsets(tile, row, input);
            int scale = row * tile.chunks;
            int at = tile.codesAt(row);
            for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
                FloatVector sum = FloatVector.zero(FLOATS);
                for (int i = 0; i < 16; i += COUNT) {
                    sum = twoBits(unsigned(codes, at + i), x, c * 64 + i, sum);
                }
                total = sum.fma(FloatVector.broadcast(FLOATS, tile.scales[scale + c]), total);
            }
            y[first + row] = Lanes.sum(total);
        }
    }

    private static FloatVector twoBits(IntVector bytes, float[] x, int at, FloatVector before) {
        FloatVector sum = floats(bytes.and(0x03)).fma(load(x, at), before);
        sum = floats(bytes.and(0x0C)).fma(load(x, at + 16), sum);
        sum = floats(bytes.and(0x30)).fma(load(x, at + 32), sum);
        return floats(bytes.and(0xC0)).fma(load(x, at + 48), sum);
    }

    static void nibbles(Tile tile, Input input, float[] y, int first) {
        byte[] codes = tile.bytes;
        float[] x = input.values;
        for (int row = 0; row < tile.rows; row++) {
            FloatVector total = offsets(tile, row, input);
            int scale = row * tile.chunks;
            int at = tile.codesAt(row);
            for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
                FloatVector sum = FloatVector.zero(FLOATS);
                for (int i = 0; i < 16; i += COUNT) {
                    sum = nibbles(unsigned(codes, at + i), x, c * 32 + i, sum);
                }
                total = sum.fma(FloatVector.broadcast(FLOATS, tile.scales[scale + c]), total);
            }
            y[first + row] = Lanes.sum(total);
        }
    }

    private static FloatVector nibbles(IntVector bytes, float[] x, int at, FloatVector before) {
        FloatVector sum = floats(bytes.and(0x0F)).fma(load(x, at), before);
        return floats(bytes.and(0xF0)).fma(load(x, at + 16), sum);
    }

    static void fiveBits(Tile tile, Input input, float[] y, int first) {
        byte[] codes = tile.bytes;
        float[] x = input.values;
        for (int row = 0; row < tile.rows; row++) {
            FloatVector total = offsets(tile, row, input);
            int scale = row * tile.chunks;
            int at = tile.codesAt(row);
            for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
                int fifth = (int) Tile.WORDS.get(codes, at - 4);
                FloatVector sum = FloatVector.zero(FLOATS);
                for (int i = 0; i < 16; i += COUNT) {
                    IntVector bytes = unsigned(codes, at + i);
                    IntVector low = bytes.and(0x0F).or(fifthBits(fifth, i));
                    IntVector high = bytes.and(0xF0).or(fifthBits(fifth, 16 + i).mul(16));
                    sum = floats(low).fma(load(x, c * 32 + i), sum);
                    sum = floats(high).fma(load(x, c * 32 + 16 + i), sum);
                }
                total = sum.fma(FloatVector.broadcast(FLOATS, tile.scales[scale + c]), total);
            }
            y[first + row] = Lanes.sum(total);
        }
    }

    static void threeBitStream(Tile tile, Input input, float[] y, int first) {
        byte[] codes = tile.bytes;
        float[] x = input.values;
        for (int row = 0; row < tile.rows; row++) {
            FloatVector total = offsets(tile, row, input);
            int scale = row * tile.chunks;
            int at = tile.codesAt(row);
            for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
                FloatVector sum = FloatVector.zero(FLOATS);
                for (int i = 0; i < 32; i += COUNT) {
                    sum = floats(threeBits(codes, at, i)).fma(load(x, c * 32 + i), sum);
                }
                total = sum.fma(FloatVector.broadcast(FLOATS, tile.scales[scale + c]), total);
            }
            y[first + row] = Lanes.sum(total);
        }
    }

    static void unsignedBytes(Tile tile, Input input, float[] y, int first) {
        byte[] codes = tile.bytes;
        float[] x = input.values;
        for (int row = 0; row < tile.rows; row++) {
            FloatVector total = offsets(tile, row, input);
            int scale = row * tile.chunks;
            int at = tile.codesAt(row);
            for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
                FloatVector sum = FloatVector.zero(FLOATS);
                for (int i = 0; i < 32; i += COUNT) {
                    sum = floats(unsigned(codes, at + i)).fma(load(x, c * 32 + i), sum);
                }
                total = sum.fma(FloatVector.broadcast(FLOATS, tile.scales[scale + c]), total);
            }
            y[first + row] = Lanes.sum(total);
        }
    }

    static void signedBytes(Tile tile, Input input, float[] y, int first) {
        byte[] codes = tile.bytes;
        float[] x = input.values;
        for (int row = 0; row < tile.rows; row++) {
            FloatVector total = FloatVector.zero(FLOATS);
            int scale = row * tile.chunks;
            int at = tile.codesAt(row);
            for (int c = 0; c < tile.chunks; c++, at += tile.stride) {
                FloatVector sum = FloatVector.zero(FLOATS);
                for (int i = 0; i < 32; i += COUNT) {
                    sum = floats(signed(codes, at + i)).fma(load(x, c * 32 + i), sum);
                }
                total = sum.fma(FloatVector.broadcast(FLOATS, tile.scales[scale + c]), total);
            }
            y[first + row] = Lanes.sum(total);
        }
    }

    static void values(Tile tile, Input input, float[] y, int first) {
        float[] w = tile.values;
        float[] x = input.values;
        int width = tile.width;
        int quads = width - width % (4 * COUNT);
        for (int row = 0; row < tile.rows; row++) {
            int at = row * width;
            FloatVector sum0 = FloatVector.zero(FLOATS);
            FloatVector sum1 = sum0;
            FloatVector sum2 = sum0;
            FloatVector sum3 = sum0;
            int i = 0;
            for (; i < quads; i += 4 * COUNT) {
                sum0 = load(w, at + i).fma(load(x, i), sum0);
                sum1 = load(w, at + i + COUNT).fma(load(x, i + COUNT), sum1);
                sum2 = load(w, at + i + 2 * COUNT).fma(load(x, i + 2 * COUNT), sum2);
                sum3 = load(w, at + i + 3 * COUNT).fma(load(x, i + 3 * COUNT), sum3);
            }
            for (; i < width; i += COUNT) {
                sum0 = load(w, at + i).fma(load(x, i), sum0);
            }
            y[first + row] = Lanes.sum(sum0.add(sum1).add(sum2.add(sum3)));
        }
    }
}
