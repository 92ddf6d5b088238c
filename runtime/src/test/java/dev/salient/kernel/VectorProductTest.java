package dev.salient.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.kernel.Weights.Fill;
import dev.salient.packed.GroupFormat;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.Reordered;
import dev.salient.packed.SuperBlocks;
import dev.salient.packed.SuperFormat;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Products with vector kernels against {@link Scalar}; the build runs them at every vector width. */
@Tag("width")
class VectorProductTest {
    private static final double UNIT = 0x1p-24;

    static LongStream seeds() {
        return LongStream.range(0, 12);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void denseProductsAgreeWithScalar(long seed) {
        Random random = new Random(seed);
        for (DType dtype : DType.values()) {
            for (int in : new int[] {1, 31, 33, 64, 1021}) {
                int out = in == 1021 ? 3 : 1 + random.nextInt(40);
                assertAgrees(Weights.dense(dtype, out, in, random), random);
            }
        }
        assertAgrees(Weights.dense(DType.F32, 1021, 8, random), random);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void affineProductsAgreeWithScalar(long seed) {
        Random random = new Random(seed);
        for (int bits : new int[] {2, 3, 4, 8}) {
            for (int groupSize : new int[] {8, 32, 64, 96, 128, 576}) {
                int in = groupSize * (groupSize == 576 ? 1 : 1 + random.nextInt(5));
                int[] size = {1 + random.nextInt(40), in};
                assertAgrees(Weights.affine(bits, groupSize, size, Fill.RANDOM, random), random);
            }
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void signsAndTernaryCodesAgreeWithScalar(long seed) {
        Random random = new Random(seed);
        for (int groupSize : new int[] {8, 16, 64, 96, 128, 256, 576}) {
            int[] size = {1 + random.nextInt(40), groupSize * (1 + random.nextInt(3))};
            assertAgrees(Weights.symmetric(true, groupSize, size, random), random);
            assertAgrees(Weights.symmetric(false, groupSize, size, random), random);
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void groupProductsAgreeWithScalar(long seed) {
        Random random = new Random(seed);
        for (GroupFormat format : GroupFormat.values()) {
            int[] size = {1 + random.nextInt(40), format.groupSize() * (1 + random.nextInt(20))};
            assertAgrees(Weights.groups(format, size, Fill.RANDOM, random), random);
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void productsOfBlocksAgreeWithScalar(long seed) {
        Random random = new Random(seed);
        for (SuperFormat format : SuperFormat.values()) {
            int[] size = {1 + random.nextInt(70), 256 * (1 + random.nextInt(3))};
            SuperBlocks weight = Weights.blocks(format, size, Fill.RANDOM, random);
            try (VectorKernels kernels = new VectorKernels(1, Activations.F32)) {
                for (int tokens : new int[] {1, 2, 13}) {
                    float[] x = Weights.gaussians(tokens * weight.in(), random);
                    assertAgrees(kernels, weight, tokens, x, (row, at) -> Weights.scaleError(weight, row, x, at));
                }
            }
        }
    }

    /** From a few rows, which are decoded, to so many that they are looked up; groups that fill registers and others. */
    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void productsOfCodebooksAgreeWithScalar(long seed) {
        Random random = new Random(seed);
        for (int[] shape :
                new int[][] {{1, 256, 8}, {2, 256, 8}, {2, 256, 16}, {3, 256, 8}, {1, 4096, 8}, {2, 16, 4}}) {
            for (int least : new int[] {1, 64}) {
                int[] size = {least + random.nextInt(20), shape[2] * (1 + random.nextInt(20))};
                PackedWeight weight = Weights.codebooks(Shape.of(shape), size, Fill.RANDOM, random);
                assertAgrees(least == 1 ? weight : Weights.adapted(weight, 1 + random.nextInt(5), random), random);
            }
        }
    }

    @Test
    void productsOfLargeCodebooksAgreeWithScalar() {
        Random random = new Random(1);
        assertAgrees(Weights.codebooks(Shape.of(1, 65536, 8), new int[] {33, 264}, Fill.RANDOM, random), random);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void adaptedProductsAgreeWithScalar(long seed) {
        Random random = new Random(seed);
        int rank = 1 + random.nextInt(17);
        int[] size = {1 + random.nextInt(40), 192};
        for (PackedWeight base : List.of(
                Weights.affine(2, 64, size, Fill.RANDOM, random),
                Weights.groups(GroupFormat.Q4_1, size, Fill.RANDOM, random),
                Weights.dense(DType.BF16, size[0], size[1], random))) {
            assertAgrees(Weights.adapted(base, rank, random), random);
            assertAgrees(Weights.stretched(Weights.adapted(base, rank, random), random), random);
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void productsOfReorderedColumnsAgreeWithScalar(long seed) {
        Random random = new Random(seed);
        for (int bits : new int[] {2, 3, 4, 8}) {
            int[] size = {1 + random.nextInt(40), 64 * (1 + random.nextInt(4))};
            Reordered weight = new Reordered(
                    Weights.affine(bits, 32, size, Fill.RANDOM, random), Weights.permutation(size[1], random));
            assertAgrees(weight, random);
            assertAgrees(Weights.adapted(weight, 1 + random.nextInt(9), random), random);
        }
    }

    /** Products of 8-bit tables stay within what half a step of each entry makes. */
    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void tableProductsStayWithinTheirBound(long seed) {
        Random random = new Random(seed);
        List<PackedWeight> weights = new ArrayList<>();
        for (int bits : new int[] {2, 3, 4}) {
            for (int groupSize : new int[] {8, 32, 64, 96, 128, 576}) {
                int[] size = {1 + random.nextInt(70), groupSize * (groupSize == 576 ? 1 : 1 + random.nextInt(5))};
                weights.add(Weights.affine(bits, groupSize, size, Fill.RANDOM, random));
            }
        }
        for (GroupFormat format : GroupFormat.values()) {
            int[] size = {1 + random.nextInt(70), format.groupSize() * (1 + random.nextInt(20))};
            weights.add(Weights.groups(format, size, Fill.RANDOM, random));
        }
        for (SuperFormat format : SuperFormat.values()) {
            int[] size = {1 + random.nextInt(70), 256 * (1 + random.nextInt(3))};
            weights.add(Weights.blocks(format, size, Fill.RANDOM, random));
        }
        weights.add(Weights.adapted(weights.getFirst(), 5, random));
        for (PackedWeight weight : weights) {
            for (int tokens : new int[] {1, 3, 8}) {
                assertWithinTableBound(weight, tokens, random);
            }
        }
    }

    private static void assertWithinTableBound(PackedWeight weight, int tokens, Random random) {
        int in = weight.in();
        float[] x = Weights.gaussians(tokens * in, random);
        x[random.nextInt(in)] = 1000; // a massive activation
        try (VectorKernels kernels = new VectorKernels(1, Activations.INT8)) {
            assertAgrees(kernels, weight, tokens, x, (row, at) -> Weights.tableError(weight, row, x, at));
        }
    }

    static Stream<Arguments> extremes() {
        List<Arguments> all = new ArrayList<>();
        for (Fill fill : List.of(Fill.ALL_MINIMUM, Fill.ALL_MAXIMUM)) {
            for (int bits : new int[] {2, 3, 4, 8}) {
                Random random = new Random(bits);
                all.add(Arguments.of(
                        bits + " bits " + fill, Weights.affine(bits, 64, new int[] {5, 128}, fill, random)));
            }
            for (int rows : new int[] {5, 80}) {
                Shape shape = Shape.of(2, 256, 8);
                all.add(Arguments.of(
                        rows + " rows of codebooks " + fill,
                        Weights.codebooks(shape, new int[] {rows, 128}, fill, new Random(rows))));
            }
            for (GroupFormat format : GroupFormat.values()) {
                Random random = new Random(format.byteCount());
                all.add(Arguments.of(format + " " + fill, Weights.groups(format, new int[] {5, 256}, fill, random)));
            }
        }
        return all.stream();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("extremes")
    void smallestAndLargestCodesAgreeWithScalar(String name, PackedWeight weight) {
        assertThat(name).isNotEmpty();
        assertAgrees(weight, new Random(1));
    }

    @ParameterizedTest
    @EnumSource(GroupFormat.class)
    void memoryOutsideTheHeapGivesTheSameNumbers(GroupFormat format) {
        Random random = new Random(7);
        var weight = Weights.groups(format, new int[] {20, 256}, Fill.RANDOM, random);
        float[] x = Weights.gaussians(256, random);
        float[] want = new float[20];
        float[] got = new float[20];
        try (Arena arena = Arena.ofShared();
                VectorKernels kernels = new VectorKernels(1, Activations.F32)) {
            kernels.multiply(weight, 1, x, want);
            kernels.multiply(Weights.offHeap(weight, arena), 1, x, got);
        }
        assertThat(got).containsExactly(want);
    }

    @Test
    void productsDoNotDependOnTheNumberOfThreads() {
        Random random = new Random(3);
        int[] size = {333, 192};
        for (PackedWeight weight : List.of(
                Weights.affine(2, 64, size, Fill.RANDOM, random),
                Weights.codebooks(Shape.of(2, 256, 8), size, Fill.RANDOM, random))) {
            for (int tokens : new int[] {1, 20}) {
                float[] x = Weights.gaussians(tokens * 192, random);
                float[] want = new float[tokens * 333];
                float[] got = new float[tokens * 333];
                try (VectorKernels one = new VectorKernels(1, Activations.F32);
                        VectorKernels three = new VectorKernels(3, Activations.F32)) {
                    one.multiply(weight, tokens, x, want);
                    three.multiply(weight, tokens, x, got);
                }
                assertThat(got).containsExactly(want);
            }
        }
    }

    @Test
    void propertyChoosesTheWidth() {
        Integer bits = Integer.getInteger("salient.vector.bits");
        if (bits != null) {
            assertThat(Lanes.COUNT * Float.SIZE).isEqualTo(bits);
        }
        assertThat(Lanes.COUNT).isIn(4, 8, 16);
    }

    private static void assertAgrees(PackedWeight weight, Random random) {
        try (VectorKernels kernels = new VectorKernels(1, Activations.F32)) {
            for (int tokens : new int[] {1, 2, 6, 7, 17}) {
                float[] x = Weights.gaussians(tokens * weight.in(), random);
                assertAgrees(kernels, weight, tokens, x, (row, at) -> 0);
            }
        }
    }

    /** By how much the product of a row with the token at a place may be off, besides roundings of fp32. */
    @FunctionalInterface
    private interface TableError {
        double of(int row, int at);
    }

    private static void assertAgrees(
            VectorKernels kernels, PackedWeight weight, int tokens, float[] x, TableError tableError) {
        int in = weight.in();
        int out = weight.out();
        float[] want = new float[tokens * out];
        float[] got = new float[tokens * out];
        new Scalar().multiply(weight, tokens, x, want);
        kernels.multiply(weight, tokens, x, got);
        for (int o = 0; o < out; o++) {
            double[] sizes = Weights.magnitudes(weight, o);
            for (int t = 0; t < tokens; t++) {
                double sum = 0;
                for (int i = 0; i < in; i++) {
                    sum += sizes[i] * Math.abs(x[t * in + i]);
                }
                // at most in + 32 roundings on the way of any product, with an adapter's rank in the 32
                double limit = (in + 32) * UNIT * sum + tableError.of(o, t * in);
                assertThat(got[t * out + o])
                        .as("row %d, token %d of %d, %s", o, t, tokens, weight)
                        .isCloseTo(want[t * out + o], within((float) (limit * 1.001)));
            }
        }
    }
}
