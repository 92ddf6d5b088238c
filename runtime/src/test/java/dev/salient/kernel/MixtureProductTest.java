package dev.salient.kernel;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaleMixture;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Signs whose scales follow the token, against the formula written down a second time; the build runs it at every vector width. */
@Tag("width")
class MixtureProductTest {
    /** Roundings of fp32: of the router's sums, which e^x passes on, the scales and the product. */
    private static final double UNIT = 0x1p-24;

    static LongStream seeds() {
        return LongStream.range(0, 6);
    }

    private static ScaleMixture mixture(int out, int in, int experts, Random random) {
        byte[] signs = new byte[out * in / 8];
        random.nextBytes(signs);
        MemorySegment router = MemorySegment.ofArray(new byte[experts * in * Short.BYTES]);
        for (int i = 0; i < experts * in; i++) { // logits of about 1, as a router begins with
            DType.F16.set(router, i, (float) (random.nextGaussian() / Math.sqrt(in)));
        }
        return new ScaleMixture(
                out,
                in,
                MemorySegment.ofArray(signs),
                new Tensor(DType.F16, Shape.of(experts, in), router),
                Weights.tensor(DType.F16, experts, in, random),
                Weights.tensor(DType.F16, experts, out, random));
    }

    /** What comes out, and the sum of the sizes of what it is the sum of. */
    private record Naive(double value, double size) {}

    private static Naive naive(PackedWeight weight, float[] x, int row) {
        ScaleMixture w = (ScaleMixture) (weight instanceof LowRank sum ? sum.base() : weight);
        double[] share = new double[w.experts()];
        double total = 0;
        for (int e = 0; e < share.length; e++) {
            double logit = 0;
            for (int i = 0; i < w.in(); i++) {
                logit += (double) x[i] * w.router().get((long) e * w.in() + i);
            }
            share[e] = Math.exp(logit);
            total += share[e];
        }
        double value = 0;
        double size = 0;
        for (int left = 0; left < share.length; left++) { // every pair of experts is a matrix of its own
            for (int right = 0; right < share.length; right++) {
                double both = share[left] / total * share[right] / total;
                double out = w.outScales().get((long) left * w.out() + row);
                for (int i = 0; i < w.in(); i++) {
                    int bit = (w.signs().get(JAVA_BYTE, ((long) row * w.in() + i) / 8) >> (i % 8)) & 1;
                    double term = both * out * (2 * bit - 1) * w.inScales().get((long) right * w.in() + i) * x[i];
                    value += term;
                    size += Math.abs(term);
                }
            }
        }
        if (weight instanceof LowRank sum) {
            for (int r = 0; r < sum.rank(); r++) {
                for (int i = 0; i < w.in(); i++) {
                    double term = (double) sum.scaling()
                            * sum.b().get((long) row * sum.rank() + r)
                            * sum.a().get((long) r * w.in() + i)
                            * x[i];
                    value += term;
                    size += Math.abs(term);
                }
            }
        }
        return new Naive(value, size);
    }

    private static void assertAgrees(Kernels kernels, PackedWeight weight, int tokens, double unit, Random random) {
        int in = weight.in();
        float[] x = Weights.gaussians(tokens * in, random);
        float[] got = new float[tokens * weight.out()];
        float[] beside = new float[got.length];
        kernels.multiply(List.of(weight, weight), tokens, x, List.of(got, beside));
        assertThat(beside).containsExactly(got);
        for (int t = 0; t < tokens; t++) {
            float[] one = java.util.Arrays.copyOfRange(x, t * in, (t + 1) * in);
            for (int o = 0; o < weight.out(); o++) {
                Naive want = naive(weight, one, o);
                assertThat((double) got[t * weight.out() + o])
                        .as("row %d, token %d of %d", o, t, tokens)
                        .isCloseTo(want.value, within(unit * want.size));
            }
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void productsAgreeWithTheFormula(long seed) {
        Random random = new Random(seed);
        for (int in : new int[] {32, 96, 576, 1024}) {
            ScaleMixture bare = mixture(1 + random.nextInt(70), in, 1 + random.nextInt(9), random);
            for (PackedWeight weight : List.of(bare, Weights.adapted(bare, 1 + random.nextInt(9), random))) {
                // roundings on the way of a product, and those of the logits, of which e^x makes as many again
                double unit = 4 * (in + 32) * UNIT;
                try (VectorKernels kernels = new VectorKernels(1, Activations.F32)) {
                    for (int tokens : new int[] {1, 2, 6, 7, 17}) {
                        assertAgrees(kernels, weight, tokens, unit, random);
                    }
                }
                assertAgrees(new Scalar(), weight, 2, 16 * UNIT, random);
            }
        }
    }

    /** Tables of 8 bits see scaled activations: their bound is that of the signs on what the router makes of the tokens. */
    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void tableProductsAreNear(long seed) {
        Random random = new Random(seed);
        ScaleMixture weight = mixture(40, 256, 8, random);
        try (VectorKernels kernels = new VectorKernels(1, Activations.INT8)) {
            for (int tokens : new int[] {1, 3, 40}) {
                assertAgrees(kernels, weight, tokens, 0.02, random);
            }
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void numberOfThreadsChangesNothing(long seed) {
        Random random = new Random(seed);
        PackedWeight weight = Weights.adapted(mixture(333, 192, 8, random), 3, random);
        for (int tokens : new int[] {1, 200}) {
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
