package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;
import static java.lang.invoke.MethodHandles.lookup;
import static java.lang.invoke.MethodType.methodType;
import static jdk.incubator.vector.VectorOperators.B2S;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.S2I;

import java.lang.invoke.MethodHandle;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The rows of a strip times one token whose products lie in tables: a nibble of each of 16 rows looks up its product, all 16
 * in one instruction, and nothing is multiplied until the tables' scale ends (the idea of T-MAC, arXiv 2407.00088).
 *
 * <p>A row's product is {@code sum_s scale_s * (sum_t t * (sum_p entry_p) + shift_s) + sum_s offset_s * (sum_j x_j)},
 * with t the scales of the segment's tables and {@code shift_s = (center - zero) * sum_j x_j}; the inner sum is exact in 16 bits.
 */
final class TableProduct {
    private static final VectorSpecies<Byte> NIBBLES = ByteVector.SPECIES_128;
    /** Sums of as many rows as a table is looked up for, where registers are that wide. */
    private static final VectorSpecies<Short> SUMS = COUNT == 4 ? ShortVector.SPECIES_128 : ShortVector.SPECIES_256;

    /** {@code kernel(codes, at, entries, entriesAt, positions, sums)} writes the 32 rows' sums of entries of a segment. */
    private static final MethodHandle[] KERNEL = Apart.method(
            lookup(),
            COUNT == 4 ? "narrow" : "wide",
            methodType(void.class, byte[].class, int.class, byte[].class, int.class, int.class, short[].class));

    private static final MethodHandle[] FLUSH = Apart.method(
            lookup(), "flush", methodType(void.class, StripStage.class, short[].class, ProductTables.class, int.class));

    private static final MethodHandle[] FLUSH_HALVES = Apart.method(
            lookup(),
            "flush",
            methodType(void.class, StripStage.class, short[].class, short[].class, ProductTables.class, int.class));

    /** [32], sums of a segment, or of its first half: written as 16 bits, read as 32. */
    private final short[] sums = new short[Strips.ROWS];
    /** [32], sums of the other half. */
    private final short[] others = new short[Strips.ROWS];

    /** Adds the plane's part of all rows' products to {@code stage.sums}; any plane of at most 4 bits. */
    void add(StripStage stage, ProductTables tables) {
        MethodHandle kernel = KERNEL[0];
        MethodHandle flush = tables.inHalves ? FLUSH_HALVES[0] : FLUSH[0];
        int bytes = 16 * stage.positions;
        try {
            for (int s = 0; s < stage.segments; s++) {
                int from = s * bytes;
                if (!tables.inHalves) {
                    kernel.invokeExact(stage.codes, stage.at + from, tables.entries, from, stage.positions, sums);
                    flush.invokeExact(stage, sums, tables, s);
                    continue;
                }
                int half = stage.positions / 2;
                int next = from + 16 * half;
                kernel.invokeExact(stage.codes, stage.at + from, tables.entries, from, half, sums);
                kernel.invokeExact(stage.codes, stage.at + next, tables.entries, next, half, others);
                flush.invokeExact(stage, sums, others, tables, s);
            }
        } catch (Throwable e) {
            throw Apart.thrown(e);
        }
    }

    private static ByteVector nibbles(byte[] from, int at) {
        return ByteVector.fromArray(NIBBLES, from, at);
    }

    /**
     * Moves the high nibbles low; a lookup takes the lowest four bits of each index. As longs, which nothing else here is: ints of this length
     * beside those of {@link Lanes} are two classes, and C2 decides by the classes it has seen.
     */
    private static ByteVector high(ByteVector codes) {
        return codes.reinterpretAsLongs().lanewise(LSHR, 4).reinterpretAsBytes();
    }

    private static ShortVector widen(ByteVector products, int part) {
        return (ShortVector) products.convertShape(B2S, SUMS, part);
    }

    /**
     * The same sum as the result of an operation, whose class C2 knows. That of a sum which a loop carried it asks the profile, and
     * conversions that are not compiled yet have stored shorter vectors through the same methods: it would box the sum to look at it.
     */
    private static ShortVector fresh(ShortVector sum) {
        return ShortVector.zero(SUMS).add(sum);
    }

    static void wide(byte[] codes, int at, byte[] entries, int entriesAt, int positions, short[] sums) {
        ShortVector low = ShortVector.zero(SUMS);
        ShortVector high = low;
        for (int p = 0; p < positions; p++) {
            ByteVector table = nibbles(entries, entriesAt + 16 * p);
            ByteVector both = nibbles(codes, at + 16 * p);
            low = widen(both.and((byte) 15).selectFrom(table), 0).add(low);
            high = widen(high(both).and((byte) 15).selectFrom(table), 0).add(high);
        }
        fresh(low).intoArray(sums, 0);
        fresh(high).intoArray(sums, 16);
    }

    static void narrow(byte[] codes, int at, byte[] entries, int entriesAt, int positions, short[] sums) {
        ShortVector low0 = ShortVector.zero(SUMS), low1 = low0, high0 = low0, high1 = low0;
        for (int p = 0; p < positions; p++) {
            ByteVector table = nibbles(entries, entriesAt + 16 * p);
            ByteVector both = nibbles(codes, at + 16 * p);
            ByteVector products = both.and((byte) 15).selectFrom(table);
            low0 = widen(products, 0).add(low0);
            low1 = widen(products, 1).add(low1);
            products = high(both).and((byte) 15).selectFrom(table);
            high0 = widen(products, 0).add(high0);
            high1 = widen(products, 1).add(high1);
        }
        fresh(low0).intoArray(sums, 0);
        fresh(low1).intoArray(sums, 8);
        fresh(high0).intoArray(sums, 16);
        fresh(high1).intoArray(sums, 24);
    }

    private static FloatVector wide(short[] sums, int row) {
        return Lanes.floats(
                (IntVector) ShortVector.fromArray(Lanes.SHORTS, sums, row).convertShape(S2I, Lanes.INTS, 0));
    }

    static void flush(StripStage stage, short[] counts, ProductTables tables, int segment) {
        FloatVector scale = FloatVector.broadcast(FLOATS, tables.scales[segment]);
        FloatVector shift = FloatVector.broadcast(FLOATS, tables.sums.shifts[segment]);
        FloatVector sum = FloatVector.broadcast(FLOATS, tables.sums.plain[segment]);
        for (int row = 0; row < Strips.ROWS; row += COUNT) {
            add(stage, Strips.ROWS * segment, row, wide(counts, row).fma(scale, shift), sum);
        }
    }

    static void flush(StripStage stage, short[] counts, short[] others, ProductTables tables, int segment) {
        FloatVector scale = FloatVector.broadcast(FLOATS, tables.scales[2 * segment]);
        FloatVector other = FloatVector.broadcast(FLOATS, tables.scales[2 * segment + 1]);
        FloatVector shift = FloatVector.broadcast(FLOATS, tables.sums.shifts[segment]);
        FloatVector sum = FloatVector.broadcast(FLOATS, tables.sums.plain[segment]);
        for (int row = 0; row < Strips.ROWS; row += COUNT) {
            FloatVector product = wide(others, row).fma(other, wide(counts, row).fma(scale, shift));
            add(stage, Strips.ROWS * segment, row, product, sum);
        }
    }

    /** Adds a segment's products of some rows. */
    private static void add(StripStage stage, int segmentAt, int row, FloatVector product, FloatVector sum) {
        FloatVector total = product.fma(stage.scale(segmentAt + row), FloatVector.fromArray(FLOATS, stage.sums, row));
        if (stage.hasOffsets) {
            total = sum.fma(stage.offset(segmentAt + row), total);
        }
        total.intoArray(stage.sums, row);
    }
}
