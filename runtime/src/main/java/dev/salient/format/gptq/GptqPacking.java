package dev.salient.format.gptq;

import static dev.salient.tensor.Preconditions.require;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.salient.packed.GroupAffine;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A linear as GPTQ stores it.
 *
 * <p>Down a column of {@code qweight} runs one stream of bits, lowest first: the codes of one output channel. Our rows
 * are the same streams, so the two differ by transposing 32-bit words. A scale below 0, which GPTQ has not, becomes
 * its opposite with every code and zero point mirrored: {@code d (q - z) = -d ((n - q) - (n - z))}, n = 2^bits - 1.
 *
 * @param codes qweight: [in * bits / 32, out], int32
 * @param zeros qzeros: [in / groupSize, out * bits / 32], int32, as they are ("gptq_v2") or less 1 ("gptq")
 * @param scales [in / groupSize, out], fp16, at least 0
 */
record GptqPacking(MemorySegment codes, MemorySegment zeros, MemorySegment scales) {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int TILE = 32;

    /** Whether a matrix of these sizes fills whole words, and its rows are multiples of 8 as ours are. */
    static boolean fits(int out, int in, int bits) {
        return in % 8 == 0 && (long) in * bits % Integer.SIZE == 0 && (long) out * bits % Integer.SIZE == 0;
    }

    /**
     * Packs a weight, zero points as they are.
     *
     * @param channels [in], the input channel of each of its columns; null: in order
     */
    static GptqPacking pack(GroupAffine weight, int @Nullable [] channels, Arena arena) {
        require(
                fits(weight.out(), weight.in(), weight.bits()),
                "GPTQ: got [%d, %d] in %d bits, want rows and columns that fill whole 32-bit words",
                weight.out(),
                weight.in(),
                weight.bits());
        int out = weight.out();
        int groups = weight.groupsPerRow();
        GptqPacking packing = new GptqPacking(
                arena.allocate(weight.codes().byteSize()),
                arena.allocate((long) groups * out * weight.bits() / Byte.SIZE),
                arena.allocate(weight.scales().byteSize()));
        int words = Math.toIntExact((long) weight.in() * weight.bits() / Integer.SIZE);
        int[] columns = channels == null ? null : inverse(channels);
        int[] row = new int[words + 1]; // a code may end in the word after its own
        for (int o = 0; o < out; o++) {
            MemorySegment.copy(weight.codes(), INT, (long) o * words * Integer.BYTES, row, 0, words);
            for (int g = 0; g < groups; g++) {
                packing.setGroup(weight, o, g, row);
            }
            int[] stored = columns == null ? row : reordered(row, weight.bits(), columns);
            for (int w = 0; w < words; w++) {
                packing.codes.set(INT, ((long) w * out + o) * Integer.BYTES, stored[w]);
            }
        }
        return packing;
    }

    /** The zero point of a group as it is stored: mirrored where its scale is below 0. */
    static int storedZero(GroupAffine weight, int row, int group) {
        short scale = weight.scales().get(SHORT, ((long) row * weight.groupsPerRow() + group) * Short.BYTES);
        return scale < 0 ? (1 << weight.bits()) - 1 - weight.zero(row, group) : weight.zero(row, group);
    }

    /** Stores scale and zero point of a group, and mirrors its codes in {@code row} where its scale is below 0. */
    private void setGroup(GroupAffine weight, int o, int g, int[] row) {
        int bits = weight.bits();
        int zero = weight.zero(o, g);
        long at = (long) g * weight.out() + o;
        short scale = weight.scales().get(SHORT, ((long) o * weight.groupsPerRow() + g) * Short.BYTES);
        if (scale < 0) {
            scale = (short) (scale & 0x7FFF);
            zero = (1 << bits) - 1 - zero;
            flip(row, (long) g * weight.groupSize() * bits, (long) (g + 1) * weight.groupSize() * bits);
        }
        scales.set(SHORT, at * Short.BYTES, scale);
        addBits(zeros, at * bits, zero);
    }

    /** Mirrors codes: n - q is q with every bit turned. */
    private static void flip(int[] words, long fromBit, long toBit) {
        for (long bit = fromBit; bit < toBit; ) {
            int word = (int) (bit >>> 5);
            long end = Math.min(toBit, (word + 1L) << 5);
            int mask = (-1 << (bit & 31)) & (-1 >>> (-end & 31));
            words[word] ^= mask;
            bit = end;
        }
    }

    static void addBits(MemorySegment stream, long bit, int value) {
        long at = bit >>> 3;
        int shifted = value << (bit & 7);
        stream.set(JAVA_BYTE, at, (byte) (stream.get(JAVA_BYTE, at) | shifted));
        if (shifted > 0xFF) {
            stream.set(JAVA_BYTE, at + 1, (byte) (stream.get(JAVA_BYTE, at + 1) | (shifted >>> 8)));
        }
    }

    static int bitsAt(MemorySegment stream, long bit, int bits) {
        long at = bit >>> 3;
        int window = stream.get(JAVA_BYTE, at) & 0xFF;
        if (at + 1 < stream.byteSize()) {
            window |= (stream.get(JAVA_BYTE, at + 1) & 0xFF) << 8;
        }
        return (window >>> (bit & 7)) & ((1 << bits) - 1);
    }

    /**
     * Zero points of the format's first version, 1 more each.
     *
     * <p>It holds no 0, but GPTQModel writes some: it takes 1 from every field of a 32-bit word at once, so that a 0 borrows from the next
     * field, and adds it back so. Fields of 3 bits lie across words and are counted one by one, 0 as 7.
     */
    static MemorySegment raised(MemorySegment zeros, int bits, Arena arena) {
        MemorySegment raised = arena.allocate(zeros.byteSize());
        if (bits == 3) {
            for (long bit = 0; bit < zeros.byteSize() * Byte.SIZE; bit += bits) {
                addBits(raised, bit, (bitsAt(zeros, bit, bits) + 1) & 7);
            }
            return raised;
        }
        int ones = Integer.divideUnsigned(-1, (1 << bits) - 1); // 1 in every field
        for (long at = 0; at < zeros.byteSize(); at += Integer.BYTES) {
            raised.set(INT, at, zeros.get(INT, at) + ones);
        }
        return raised;
    }

    /**
     * The weight that this packs.
     *
     * @param sizes its sizes
     * @param channels [in], the input channel of each column of the result; null: in order
     */
    GroupAffine unpack(Sizes sizes, int @Nullable [] channels, Arena arena) {
        int out = sizes.out;
        int groups = sizes.in / sizes.groupSize;
        MemorySegment rows = arena.allocate(codes.byteSize());
        transposeWords(rows, out, Math.toIntExact((long) sizes.in * sizes.bits / Integer.SIZE));
        if (channels != null) {
            reorder(rows, sizes, channels);
        }
        MemorySegment rowScales = arena.allocate(scales.byteSize());
        MemorySegment rowZeros = arena.allocate((long) groups * out);
        for (int g = 0; g < groups; g++) {
            for (int o = 0; o < out; o++) {
                long from = (long) g * out + o;
                long to = (long) o * groups + g;
                rowScales.set(SHORT, to * Short.BYTES, scales.get(SHORT, from * Short.BYTES));
                rowZeros.set(JAVA_BYTE, to, (byte) bitsAt(zeros, from * sizes.bits, sizes.bits));
            }
        }
        return new GroupAffine(out, sizes.in, sizes.bits, sizes.groupSize, rows, rowScales, rowZeros);
    }

    /** The sizes of a weight. */
    record Sizes(int out, int in, int bits, int groupSize) {}

    /** Puts the codes of every row into the order of these channels. */
    private static void reorder(MemorySegment rows, Sizes sizes, int[] channels) {
        int words = Math.toIntExact((long) sizes.in * sizes.bits / Integer.SIZE);
        IntStream.range(0, sizes.out).parallel().forEach(row -> {
            int[] from = new int[words + 1];
            MemorySegment.copy(rows, INT, (long) row * words * Integer.BYTES, from, 0, words);
            int[] to = reordered(from, sizes.bits, channels);
            MemorySegment.copy(to, 0, rows, INT, (long) row * words * Integer.BYTES, words);
        });
    }

    /** A stream of codes in which the i-th is the {@code places[i]}-th of this one; both have a word more than they need. */
    private static int[] reordered(int[] from, int bits, int[] places) {
        int[] to = new int[from.length];
        for (int i = 0; i < places.length; i++) {
            long bit = (long) places[i] * bits;
            long low = from[(int) (bit >>> 5)] & 0xFFFFFFFFL;
            long both = low | ((long) from[(int) (bit >>> 5) + 1] << 32);
            long code = (both >>> (bit & 31)) & ((1 << bits) - 1);
            long place = (long) i * bits;
            to[(int) (place >>> 5)] |= (int) (code << (place & 31));
            to[(int) (place >>> 5) + 1] |= (int) ((code << (place & 31)) >>> 32);
        }
        return to;
    }

    /** Where each number of 0 to n - 1 stands. */
    static int[] inverse(int[] order) {
        int[] places = new int[order.length];
        for (int i = 0; i < order.length; i++) {
            places[order[i]] = i;
        }
        return places;
    }

    private void transposeWords(MemorySegment rows, int out, int words) {
        for (int first = 0; first < out; first += TILE) {
            for (int w = 0; w < words; w++) {
                for (int o = first; o < Math.min(out, first + TILE); o++) {
                    int word = codes.get(INT, ((long) w * out + o) * Integer.BYTES);
                    rows.set(INT, ((long) o * words + w) * Integer.BYTES, word);
                }
            }
        }
    }
}
