package dev.salient.kernel;

import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.GroupFormat;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.Reordered;
import dev.salient.packed.ScaleMixture;
import dev.salient.packed.ScaledGroups;
import dev.salient.packed.SuperBlocks;
import dev.salient.packed.SuperFormat;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/** Weights of every stored form, made of random numbers or of one repeated byte. */
final class Weights {
    private Weights() {}

    /** How the bytes of codes are chosen. */
    enum Fill {
        RANDOM,
        ALL_MINIMUM,
        ALL_MAXIMUM
    }

    static float[] gaussians(int count, Random random) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    static int[] permutation(int count, Random random) {
        List<Integer> numbers =
                new ArrayList<>(IntStream.range(0, count).boxed().toList());
        Collections.shuffle(numbers, random);
        return numbers.stream().mapToInt(Integer::intValue).toArray();
    }

    static Tensor tensor(DType dtype, int out, int in, Random random) {
        MemorySegment data = MemorySegment.ofArray(new byte[out * in * dtype.byteCount()]);
        for (int i = 0; i < out * in; i++) {
            dtype.set(data, i, (float) random.nextGaussian());
        }
        return new Tensor(dtype, Shape.of(out, in), data);
    }

    static Dense dense(DType dtype, int out, int in, Random random) {
        return new Dense(tensor(dtype, out, in, random));
    }

    static GroupAffine affine(int bits, int groupSize, int[] size, Fill fill, Random random) {
        int groups = size[0] * (size[1] / groupSize);
        byte[] codes = bytes(size[0] * size[1] * bits / 8, fill, random);
        byte[] zeros = new byte[groups];
        MemorySegment scales = MemorySegment.ofArray(new byte[groups * Short.BYTES]);
        for (int g = 0; g < groups; g++) {
            zeros[g] = (byte) random.nextInt(1 << bits);
            DType.F16.set(scales, g, (float) random.nextGaussian());
        }
        return new GroupAffine(
                size[0], size[1], bits, groupSize, MemorySegment.ofArray(codes), scales, MemorySegment.ofArray(zeros));
    }

    /** Codes that are signs, or ternary. */
    static GroupAffine symmetric(boolean signs, int groupSize, int[] size, Random random) {
        GroupAffine some = affine(2, groupSize, size, Fill.ALL_MINIMUM, random);
        byte[] codes = new byte[size[0] * size[1] / 4];
        for (int i = 0; i < size[0] * size[1]; i++) {
            codes[i / 4] |= (byte) ((signs ? 2 * random.nextInt(2) : random.nextInt(3)) << (2 * (i % 4)));
        }
        byte[] zeros = new byte[size[0] * (size[1] / groupSize)];
        Arrays.fill(zeros, (byte) 1);
        return new GroupAffine(
                size[0],
                size[1],
                2,
                groupSize,
                MemorySegment.ofArray(codes),
                some.scales(),
                MemorySegment.ofArray(zeros));
    }

    static ScaledGroups groups(GroupFormat format, int[] size, Fill fill, Random random) {
        int groups = size[0] * (size[1] / format.groupSize());
        byte[] bytes = bytes(groups * format.byteCount(), fill, random);
        MemorySegment data = MemorySegment.ofArray(bytes);
        if (format == GroupFormat.Q8_0 && fill != Fill.RANDOM) {
            Arrays.fill(bytes, fill == Fill.ALL_MINIMUM ? Byte.MIN_VALUE : Byte.MAX_VALUE);
        }
        for (int g = 0; g < groups; g++) {
            for (int i = 0; i < halves(format); i++) {
                DType.F16.set(data.asSlice((long) g * format.byteCount() + format.scaleAt()), i, (float)
                        random.nextGaussian());
            }
        }
        return new ScaledGroups(size[0], size[1], format, data);
    }

    private static int halves(GroupFormat format) {
        return switch (format) {
            case Q4_1, Q5_1 -> 2;
            case Q8_0, Q4_0, Q5_0, Q2_0, TQ1_0, TQ2_0, Q1_0 -> 1;
        };
    }

    static SuperBlocks blocks(SuperFormat format, int[] size, Fill fill, Random random) {
        int count = size[0] * (size[1] / format.blockSize());
        byte[] bytes = bytes(count * format.byteCount(), fill, random);
        MemorySegment data = MemorySegment.ofArray(bytes);
        int[] halves = switch (format) {
            case Q2_K -> new int[] {80, 82};
            case Q3_K -> new int[] {108};
            case Q4_K, Q5_K -> new int[] {0, 2};
            case Q6_K -> new int[] {208};
            case IQ4_NL, IQ4_XS -> new int[] {0};
        };
        for (int b = 0; b < count; b++) {
            for (int at : halves) {
                DType.F16.set(data.asSlice((long) b * format.byteCount() + at, 2), 0, (float) random.nextGaussian());
            }
        }
        return new SuperBlocks(size[0], size[1], format, data);
    }

    /** What strips, whose scales and minima are fp16, may be off in a row's product: half a step of each in fp16. */
    static double scaleError(SuperBlocks weight, int row, float[] x, int at) {
        SuperBlocks.Row apart = weight.newRow();
        weight.readRow(row, apart);
        double error = 0;
        for (int i = 0; i < weight.in(); i++) {
            int g = i / weight.format().groupSize();
            double size = Math.abs(apart.scales()[g]
                            * (apart.codes()[i] - weight.format().zero()))
                    + Math.abs(apart.minima()[g]);
            error += 0x1p-11 * size * Math.abs(x[at + i]);
        }
        return error;
    }

    /**
     * Codebooks.
     *
     * @param shape [codebookCount, 2^bits, groupSize]
     */
    static AdditiveCodebook codebooks(Shape shape, int[] size, Fill fill, Random random) {
        int last = shape.dimension(1) - 1;
        int count = size[0] * (size[1] / shape.dimension(2)) * shape.dimension(0);
        int[] codes = switch (fill) {
            case RANDOM -> random.ints(count, 0, last + 1).toArray();
            case ALL_MINIMUM -> new int[count];
            case ALL_MAXIMUM -> IntStream.generate(() -> last).limit(count).toArray();
        };
        float[] vectors = gaussians((int) shape.elementCount(), random);
        return AdditiveCodebook.of(shape, codes, vectors, gaussians(size[0], random));
    }

    static LowRank adapted(PackedWeight base, int rank, Random random) {
        Tensor a = tensor(DType.F16, rank, base.in(), random);
        Tensor b = tensor(DType.F32, base.out(), rank, random);
        return new LowRank(base, a, b, 2f);
    }

    /** The same adapter as a DoRA. */
    static LowRank stretched(LowRank adapted, Random random) {
        Tensor lengths = tensor(DType.F16, adapted.out(), 1, random);
        Tensor magnitude = new Tensor(lengths.dtype(), Shape.of(adapted.out()), lengths.data());
        return new LowRank(adapted.base(), adapted.a(), adapted.b(), adapted.scaling(), magnitude);
    }

    private static byte[] bytes(int count, Fill fill, Random random) {
        byte[] bytes = new byte[count];
        switch (fill) {
            case RANDOM -> random.nextBytes(bytes);
            case ALL_MINIMUM -> {}
            case ALL_MAXIMUM -> Arrays.fill(bytes, (byte) 0xFF);
        }
        return bytes;
    }

    /**
     * What a kernel's sum is made of, in size: a row's values where they are stored as such, |scale| * code +
     * |offset| where zero points and minima are summed apart.
     */
    static double[] magnitudes(PackedWeight weight, int row) {
        int in = weight.in();
        float[] values = new float[in];
        weight.decodeRow(row, values, 0);
        double[] sizes = new double[in];
        for (int i = 0; i < in; i++) {
            sizes[i] = Math.abs(values[i]) + 2 * Math.abs(offset(weight, row, i));
        }
        if (weight instanceof AdditiveCodebook codebooks) { // vectors of one group may cancel out
            for (int i = 0; i < in; i++) {
                double size = 0;
                for (int m = 0; m < codebooks.codebookCount(); m++) {
                    long entry = (long) m * codebooks.entries() + codebooks.code(row, i / codebooks.groupSize(), m);
                    size += Math.abs(
                            codebooks.codebooks().get(entry * codebooks.groupSize() + i % codebooks.groupSize()));
                }
                sizes[i] = Math.abs(codebooks.scale(row)) * size;
            }
        }
        if (weight instanceof LowRank sum) {
            double[] base = magnitudes(sum.base(), row);
            double stretch = stretch(sum, row);
            for (int i = 0; i < in; i++) {
                sizes[i] += base[i];
                for (int r = 0; r < sum.rank(); r++) {
                    float factor = sum.scaling() * sum.b().get((long) row * sum.rank() + r);
                    sizes[i] += Math.abs(factor * sum.a().get((long) r * in + i));
                }
                sizes[i] *= stretch;
            }
        }
        return sizes;
    }

    private static double offset(PackedWeight weight, int row, int column) {
        return switch (weight) {
            case Dense dense -> 0;
            case LowRank sum -> 0;
            case AdditiveCodebook codebooks -> 0;
            case ScaleMixture mixture -> throw new IllegalArgumentException("no values");
            case Reordered reordered -> {
                int[] channels = reordered.channels();
                int stored = 0;
                while (channels[stored] != column) {
                    stored++;
                }
                yield offset(reordered.base(), row, stored);
            }
            case GroupAffine affine -> {
                int group = column / affine.groupSize();
                yield affine.scale(row, group) * affine.zero(row, group);
            }
            case SuperBlocks blocks -> {
                SuperBlocks.Row apart = blocks.newRow();
                blocks.readRow(row, apart);
                int group = column / blocks.format().groupSize();
                yield apart.scales()[group] * blocks.format().zero() + Math.abs(apart.minima()[group]);
            }
            case ScaledGroups groups -> {
                GroupFormat format = groups.format();
                long group = (long) row * (groups.in() / format.groupSize()) + column / format.groupSize();
                MemorySegment data = groups.data().asSlice(group * format.byteCount(), format.byteCount());
                float scale = DType.F16.get(data.asSlice(format.scaleAt()), 0);
                yield switch (format) {
                    case Q8_0 -> 0;
                    case Q4_0 -> 8 * scale;
                    case Q5_0 -> 16 * scale;
                    case Q2_0, TQ1_0, TQ2_0, Q1_0 -> scale;
                    case Q4_1, Q5_1 -> DType.F16.get(data, 1);
                };
            }
        };
    }

    private static double stretch(LowRank sum, int row) {
        return sum.magnitude() == null ? 1 : Math.abs(sum.stretches()[row]);
    }

    /**
     * By how much a row's product with 8-bit tables may be off: half a step for each entry. A step is 1/127 of the largest
     * entry of the group, from 64 columns on of its half, which is at most the largest level times the sum of the activations that share an entry.
     */
    static double tableError(PackedWeight weight, int row, float[] x, int at) {
        return switch (weight) {
            case Dense dense -> 0;
            case AdditiveCodebook codebooks -> 0;
            case ScaleMixture mixture -> throw new IllegalArgumentException("no values");
            case LowRank sum -> stretch(sum, row) * tableError(sum.base(), row, x, at);
            case Reordered reordered -> {
                float[] columns = new float[x.length];
                reordered.toColumns(x, columns, at);
                yield tableError(reordered.base(), row, columns, at);
            }
            case GroupAffine affine -> {
                double error = 0;
                for (int g = 0; g < affine.groupsPerRow(); g++) {
                    int first = at + g * affine.groupSize();
                    error += Math.abs(affine.scale(row, g)) * stepError(affine.bits(), affine.groupSize(), x, first);
                }
                yield error;
            }
            case SuperBlocks blocks -> {
                SuperBlocks.Row apart = blocks.newRow();
                blocks.readRow(row, apart);
                int size = blocks.format().groupSize();
                double error = scaleError(blocks, row, x, at);
                for (int g = 0; g < apart.scales().length; g++) {
                    double step = stepError(blocks.format().bits(), size, x, at + g * size);
                    error += Math.abs(apart.scales()[g]) * step * (1 + 0x1p-11);
                }
                yield error;
            }
            case ScaledGroups groups -> {
                GroupFormat format = groups.format();
                int count = groups.in() / format.groupSize();
                double error = 0;
                for (int g = 0; g < count; g++) {
                    long group = (long) row * count + g;
                    float scale =
                            DType.F16.get(groups.data().asSlice(group * format.byteCount() + format.scaleAt(), 2), 0);
                    int unit = format == GroupFormat.Q1_0 ? 2 : 1;
                    int bits = switch (format) {
                        case Q8_0 -> 8;
                        case Q5_0, Q5_1 -> 5;
                        case Q4_0, Q4_1 -> 4;
                        case Q2_0, TQ1_0, TQ2_0 -> 2;
                        case Q1_0 -> 1;
                    };
                    error += unit
                            * Math.abs(scale)
                            * stepError(bits, format.groupSize(), x, at + g * format.groupSize());
                }
                yield error;
            }
        };
    }

    /** Half a step for each entry of a group whose scale is 1. */
    private static double stepError(int bits, int groupSize, float[] x, int first) {
        return switch (bits) {
            case 8 -> 0;
            case 6 -> stepError(4, groupSize, x, first) + 16 * stepError(2, groupSize, x, first);
            case 5 -> stepError(4, groupSize, x, first) + 16 * stepError(1, groupSize, x, first);
            case 3 -> stepError(2, groupSize, x, first) + 4 * stepError(1, groupSize, x, first);
            default -> {
                int columns = 4 / bits;
                int size = groupSize >= 64 ? groupSize / 2 : groupSize;
                double error = 0;
                for (int part = first; part < first + groupSize; part += size) {
                    error += (double) size / columns * largestEntry(bits, size, x, part) / 127 / 2;
                }
                yield error;
            }
        };
    }

    private static double largestEntry(int bits, int size, float[] x, int first) {
        int columns = 4 / bits;
        double largest = 0;
        for (int i = first; i < first + size; i += columns) {
            double entry = 0;
            for (int j = i; j < i + columns; j++) {
                entry += Math.abs(x[j]);
            }
            largest = Math.max(largest, entry * ((1 << bits) - 1) / 2);
        }
        return largest;
    }

    /** The same weight in memory outside the heap, as mapped files are. */
    static ScaledGroups offHeap(ScaledGroups weight, java.lang.foreign.Arena arena) {
        MemorySegment data = arena.allocate(weight.data().byteSize(), 1);
        MemorySegment.copy(weight.data(), ValueLayout.JAVA_BYTE, 0, data, ValueLayout.JAVA_BYTE, 0, data.byteSize());
        return new ScaledGroups(weight.out(), weight.in(), weight.format(), data);
    }
}
