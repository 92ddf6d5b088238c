package dev.salient.kernel;

import dev.salient.packed.GroupAffine;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaleMixture;
import dev.salient.packed.ScaledGroups;
import dev.salient.packed.SuperBlocks;
import dev.salient.tensor.MappedFile;

/**
 * A quantized weight rearranged for vectors: strips of 32 rows, each column by column.
 *
 * <p>One load brings the codes of many rows at one position, so that lanes are rows: a product needs no sum over lanes,
 * a panel for many tokens no transposition, and 16 rows' codes can index one table of products at once. It takes
 * the memory of the codes and scales once more, as arrays, after which the stored form is not read any more.
 *
 * <p>Codes: [strip, position, row]; of {@link Plane#EIGHT} a byte each, of others a nibble each, low halves for rows 0 to
 * 15 of the strip and high halves for rows 16 to 31. Scales and offsets: [strip, segment, row]. Rows past the
 * weight's end are zeros.
 */
final class Strips {
    /** Bytes of a cache line. */
    private static final int LINE = 64;

    /** Rows of a strip. */
    static final int ROWS = 32;

    /** Positions that share a scale at most: so many products of 8 bits fit a sum of 16. */
    private static final int MAX_POSITIONS = 128;

    /** Stored bytes after which a file's pages are given back. */
    private static final long LETTING_GO = 1L << 20;

    /** Kernels of four lanes read eight bytes for them. */
    private static final int SLACK = 8;

    private final int out;
    private final int in;
    private final int segmentSize;
    /** Low bits, then the highest of codes of 3, 5 and 6 bits. */
    private final Plane[] planes;

    private final byte[][] codes;
    /** fp16. */
    private final short[] scales;

    private final RowCodes.Offsets offsets;
    /** fp16, where groups have minima. */
    private final short[] minima;
    /** What is subtracted from codes, where it differs from group to group. */
    private final byte[] zeros;
    /** What is subtracted from all codes besides. */
    private final float zero;
    /** What scales count. */
    private final float unit;
    /** What minima count. */
    private final float minimumUnit;

    private Strips(PackedWeight weight, RowCodes rows) {
        out = weight.out();
        in = weight.in();
        int bits = rows.bits();
        planes = switch (bits) {
            case 3 -> new Plane[] {Plane.TWO, Plane.ONE};
            case 5 -> new Plane[] {Plane.FOUR, Plane.ONE};
            case 6 -> new Plane[] {Plane.FOUR, Plane.TWO};
            default -> new Plane[] {Plane.of(bits)};
        };
        segmentSize = segmentSize(rows.groupSize(), planes[0].columns());
        codes = new byte[planes.length][];
        for (int p = 0; p < planes.length; p++) {
            codes[p] = new byte[Math.addExact(Math.multiplyExact(strips(), stripBytes(p)), SLACK)];
        }
        scales = new short[Math.multiplyExact(strips(), segments() * ROWS)];
        offsets = rows.offsets();
        minima = new short[offsets == RowCodes.Offsets.MINIMA ? scales.length : 0];
        zeros = new byte[offsets == RowCodes.Offsets.ZEROS ? scales.length + SLACK : 0];
        zero = rows.zero();
        unit = rows.unit();
        minimumUnit = rows.minimumUnit();
    }

    /** The largest part of a group whose positions fit a sum of table entries. */
    private static int segmentSize(int groupSize, int columns) {
        int size = groupSize;
        for (int parts = 2; size > MAX_POSITIONS * columns; parts++) {
            if (groupSize % (4 * parts) == 0) {
                size = groupSize / parts;
            }
        }
        return size;
    }

    /** Whether a weight has codes in groups that positions of planes divide, not too long to be parted. */
    static boolean canHold(PackedWeight weight) {
        return switch (weight) {
            case GroupAffine affine ->
                affine.groupSize() % 4 == 0 && (affine.groupSize() <= MAX_POSITIONS || affine.groupSize() % 32 == 0);
            case ScaledGroups groups -> true;
            case SuperBlocks blocks -> true;
            case ScaleMixture mixture -> true;
            default -> false;
        };
    }

    /** Rearranges a weight, which {@link #canHold} accepts, with the help of a team. */
    static Strips of(PackedWeight weight, Team team) {
        RowCodes[] rows = new RowCodes[team.size()];
        rows[0] = RowCodes.of(weight);
        for (int i = 1; i < rows.length; i++) {
            rows[i] = rows[0].another();
        }
        Strips strips = new Strips(weight, rows[0]);
        // so many strips at once, that what was read of the file and not given back yet stays small
        int some = (int) Math.max(1, LETTING_GO * strips.strips() / weight.storedBytes());
        for (int from = 0; from < strips.strips(); from += some) {
            int first = from;
            int count = Math.min(some, strips.strips() - first);
            team.run(count, (item, member) -> {
                int strip = first + item;
                for (int row = 0; row < Math.min(ROWS, weight.out() - strip * ROWS); row++) {
                    rows[member].load(strip * ROWS + row);
                    strips.put(strip, row, rows[member]);
                }
            });
            switch (weight) {
                case GroupAffine affine -> {
                    MappedFile.letGo(affine.codes());
                    MappedFile.letGo(affine.scales());
                    MappedFile.letGo(affine.zeros());
                }
                case ScaledGroups groups -> MappedFile.letGo(groups.data());
                case SuperBlocks blocks -> MappedFile.letGo(blocks.data());
                case ScaleMixture mixture -> MappedFile.letGo(mixture.signs());
                default -> {}
            }
        }
        return strips;
    }

    /**
     * Reads a number of each cache line of some strips, so that the lines come from memory together: kernels wait for one after the other.
     *
     * @return a sum that means nothing; whoever keeps it has them read
     */
    int touch(int first, int count) {
        int sum = 0;
        for (int p = 0; p < planes.length; p++) {
            sum += touch(codes[p], first * stripBytes(p), count * stripBytes(p));
        }
        int from = first * segments() * ROWS;
        int size = count * segments() * ROWS;
        sum += touch(scales, from, size);
        return switch (offsets) {
            case MINIMA -> sum + touch(minima, from, size);
            case ZEROS -> sum + touch(zeros, from, size);
            default -> sum;
        };
    }

    private static int touch(byte[] numbers, int from, int count) {
        int sum = 0;
        for (int i = from; i < from + count; i += LINE) {
            sum += numbers[i];
        }
        return sum;
    }

    private static int touch(short[] numbers, int from, int count) {
        int sum = 0;
        for (int i = from; i < from + count; i += LINE / Short.BYTES) {
            sum += numbers[i];
        }
        return sum;
    }

    private void put(int strip, int row, RowCodes from) {
        for (int p = 0; p < planes.length; p++) {
            byte[] to = codes[p];
            int at = strip * stripBytes(p) + row % planes[p].positionBytes();
            int step = planes[p].positionBytes();
            int half = planes[p] != Plane.EIGHT && row >= ROWS / 2 ? 4 : 0;
            int shift = p == 0 ? 0 : planes[0].bits();
            byte[] c = from.codes;
            switch (planes[p]) {
                case ONE -> {
                    for (int i = 0; i < in; i += 4, at += step) {
                        int nibble = ((c[i] >> shift) & 1)
                                | ((c[i + 1] >> shift) & 1) << 1
                                | ((c[i + 2] >> shift) & 1) << 2
                                | ((c[i + 3] >> shift) & 1) << 3;
                        to[at] |= (byte) (nibble << half);
                    }
                }
                case TWO -> {
                    for (int i = 0; i < in; i += 2, at += step) {
                        to[at] |= (byte) ((((c[i] >> shift) & 3) | ((c[i + 1] >> shift) & 3) << 2) << half);
                    }
                }
                case FOUR -> {
                    for (int i = 0; i < in; i++, at += step) {
                        to[at] |= (byte) ((c[i] & 0xF) << half);
                    }
                }
                case EIGHT -> {
                    for (int i = 0; i < in; i++, at += step) {
                        to[at] = c[i];
                    }
                }
            }
        }
        int perGroup = from.groupSize() / segmentSize;
        for (int s = 0; s < segments(); s++) {
            int to = (strip * segments() + s) * ROWS + row;
            int group = s / perGroup;
            scales[to] = Float.floatToFloat16(from.scales[group]);
            if (minima.length > 0) {
                minima[to] = Float.floatToFloat16(from.minima[group]);
            }
            if (zeros.length > 0) {
                zeros[to] = from.zeros[group];
            }
        }
    }

    int out() {
        return out;
    }

    int in() {
        return in;
    }

    int strips() {
        return (out + ROWS - 1) / ROWS;
    }

    int planeCount() {
        return planes.length;
    }

    Plane plane(int p) {
        return planes[p];
    }

    /** What a plane's codes count, in scales: the highest bits of 3, 5 and 6 count 4 or 16 times as much. */
    float unit(int p) {
        return p == 0 ? unit : unit * (1 << planes[0].bits());
    }

    /** Columns that share a scale. */
    int segmentSize() {
        return segmentSize;
    }

    /** Segments of a row. */
    int segments() {
        return in / segmentSize;
    }

    byte[] codes(int p) {
        return codes[p];
    }

    /** Bytes of a strip's codes. */
    int stripBytes(int p) {
        return in / planes[p].columns() * planes[p].positionBytes();
    }

    /** What is subtracted from a plane's codes everywhere. */
    float zero(int p) {
        return p == 0 ? zero : 0;
    }

    /** Whether a plane's values have offsets that differ from group to group. */
    boolean hasOffsets(int p) {
        return p == 0 && offsets != RowCodes.Offsets.NONE;
    }

    /** [strip, segment, row], fp16. */
    short[] scales() {
        return scales;
    }

    float minimumUnit() {
        return minimumUnit;
    }

    /** [strip, segment, row], fp16; empty where groups have none. */
    short[] minima() {
        return minima;
    }

    /** [strip, segment, row]; empty where all groups have the same. */
    byte[] zeros() {
        return zeros;
    }
}
