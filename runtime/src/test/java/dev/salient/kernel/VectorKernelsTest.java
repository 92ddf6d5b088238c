package dev.salient.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Norm, rotation, attention and gate against {@link Scalar}; the build runs them at every vector width. */
@Tag("width")
class VectorKernelsTest {
    private static final double UNIT = 0x1p-24;

    static LongStream seeds() {
        return LongStream.range(0, 20);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void normAgreesWithScalar(long seed) {
        Random random = new Random(seed);
        for (int channels : new int[] {1, 31, 33, 64, 1021}) {
            int tokens = 1 + random.nextInt(20);
            RmsNorm norm = new RmsNorm(Tensor.ofFloats(Shape.of(channels), Weights.gaussians(channels, random)), 1e-5);
            float[] x = Weights.gaussians(tokens * channels, random);
            float[] want = new float[x.length];
            float[] got = new float[x.length];
            new Scalar().normalize(norm, tokens, x, want);
            try (VectorKernels kernels = new VectorKernels(2, Activations.F32)) {
                kernels.normalize(norm, tokens, x, got);
            }
            for (int i = 0; i < want.length; i++) {
                // a sum of positive squares is relatively exact to one unit a term; the root halves it
                assertThat(got[i]).isCloseTo(want[i], bound((channels / 2.0 + 6) * UNIT * Math.abs(want[i])));
            }
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void rotationAgreesWithScalar(long seed) {
        Random random = new Random(seed);
        for (int pairs : new int[] {1, 4, 11, 32}) {
            Rope rope = new Rope(random.doubles(pairs).toArray());
            Positions positions = new Positions(random.nextInt(500), 1 + random.nextInt(9));
            int heads = 1 + random.nextInt(4);
            float[] want = Weights.gaussians(positions.count() * heads * 2 * pairs, random);
            float[] got = want.clone();
            new Scalar().rotate(rope, List.of(positions), heads, want);
            try (VectorKernels kernels = new VectorKernels(2, Activations.F32)) {
                kernels.rotate(rope, List.of(positions), heads, got);
            }
            for (int i = 0; i < want.length; i++) {
                assertThat(got[i]).isCloseTo(want[i], bound(4 * UNIT * 10));
            }
        }
    }

    @Test
    void rotationTurnsHalvesByTheAngleOfThePosition() {
        Rope rope = new Rope(new double[] {0.5, 0.25});
        float[] x = {1, 0, 0, 2};
        new Scalar().rotate(rope, List.of(new Positions(3, 1)), 1, x);
        float[] want = {
            (float) Math.cos(1.5), (float) (-2 * Math.sin(0.75)), (float) Math.sin(1.5), (float) (2 * Math.cos(0.75))
        };
        for (int i = 0; i < 4; i++) {
            assertThat(x[i]).isCloseTo(want[i], within(1e-6f));
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void attentionAgreesWithScalar(long seed) {
        Random random = new Random(seed);
        for (CacheType type : CacheType.values()) {
            int kvHeads = 1 + random.nextInt(3);
            int headSize = new int[] {2, 8, 24, 64, 33}[random.nextInt(5)];
            int capacity = seed < 15 ? 70 : 700;
            KvShape shape = new KvShape(kvHeads * (1 + random.nextInt(4)), kvHeads, headSize, capacity);
            int first = random.nextInt(capacity - 20);
            int count = seed % 3 == 0 ? 1 : 1 + random.nextInt(Math.min(80, capacity - first));
            assertAttentionAgrees(type, shape, new Positions(first, count), random);
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void attentionThroughAWindowWithBoundedScoresAgreesWithScalar(long seed) {
        Random random = new Random(seed);
        for (CacheType type : CacheType.values()) {
            int headSize = new int[] {2, 8, 24, 64, 33}[random.nextInt(5)];
            int capacity = seed < 10 ? 150 : 700;
            int window = new int[] {1, 5, 63, 64, 65, 130, 300}[random.nextInt(7)];
            ScoreRule rule = new ScoreRule(0.7 / Math.sqrt(headSize), (seed % 2) * 3.0, window);
            KvShape shape = new KvShape(4, 2, headSize, capacity, rule);
            int first = random.nextInt(capacity - 20);
            int count = seed % 3 == 0 ? 1 : 1 + random.nextInt(Math.min(100, capacity - first));
            assertAttentionAgrees(type, shape, new Positions(first, count), random);
        }
    }

    private static void assertAttentionAgrees(CacheType type, KvShape shape, Positions positions, Random random) {
        int headSize = shape.headSize();
        Scalar scalar = new Scalar();
        try (VectorKernels kernels = new VectorKernels(2, Activations.F32)) {
            KvBlock wantCache = scalar.newKvBlock(shape, type);
            KvBlock gotCache = kernels.newKvBlock(shape, type);
            fill(wantCache, gotCache, positions.end(), random);
            float[] query = Weights.gaussians(positions.count() * shape.heads() * headSize, random);
            float[] want = new float[query.length];
            float[] got = new float[query.length];
            scalar.attend(List.of(wantCache), List.of(positions), query, want);
            kernels.attend(List.of(gotCache), List.of(positions), query, got);
            // |q . k| / sqrt(n) stays below 4 sqrt(n) * 4 here, its error below gamma(n + 2) times that; exp doubles
            // it over sum and weight, values are below 5, and each of end / 64 blocks rescales what came before
            double score = (headSize + 4) * UNIT * 16 * Math.sqrt(headSize)
                    + 16 * UNIT * shape.rule().cap();
            double limit = 5 * (2 * score + (2 * positions.end() + 4 * (positions.end() / 64 + 1) + 16) * UNIT);
            for (int i = 0; i < want.length; i++) {
                assertThat(got[i]).as("%s %s %s", type, shape, positions).isCloseTo(want[i], bound(limit));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(CacheType.class)
    void cacheRoundsAsItsTypeSays(CacheType type) {
        Random random = new Random(5);
        KvShape shape = new KvShape(2, 2, 24, 9);
        KvBlock cache = new Scalar().newKvBlock(shape, type);
        float[] key = Weights.gaussians(9 * 48, random);
        float[] value = Weights.gaussians(9 * 48, random);
        Arrays.fill(value, 48, 72, 0); // a head of zeros has no scale
        cache.put(new Positions(0, 9), 0, key, value);
        for (int i = 0; i < key.length; i++) {
            int head = i / 24 % 2;
            assertThat(cache.key(head, i / 48, i % 24)).isCloseTo(key[i], bound(roundings(type, key, i)));
            assertThat(cache.value(head, i / 48, i % 24)).isCloseTo(value[i], bound(roundings(type, value, i)));
        }
    }

    /** Half a unit of fp16's 11 bits; half a step of 1/127 of the head's largest. */
    private static double roundings(CacheType type, float[] x, int i) {
        double largest = 0;
        for (int j = i / 24 * 24; j < i / 24 * 24 + 24; j++) {
            largest = Math.max(largest, Math.abs(x[j]));
        }
        return switch (type) {
            case F32 -> 0;
            case F16 -> Math.abs(x[i]) * 0x1p-11 + 0x1p-25;
            case Q8 -> largest / 127 / 2 * (1 + 1e-5);
        };
    }

    private static void fill(KvBlock one, KvBlock other, int end, Random random) {
        int at = 0;
        while (at < end) {
            Positions piece = new Positions(at, Math.min(end - at, 1 + random.nextInt(20)));
            int count = piece.count() * one.shape().kvHeads() * one.shape().headSize();
            float[] key = Weights.gaussians(count, random);
            float[] value = Weights.gaussians(count, random);
            one.put(piece, 0, key, value);
            other.put(piece, 0, key, value);
            at = piece.end();
        }
    }

    @Test
    void attentionOfOneTokenIsItsOwnValue() {
        KvShape shape = new KvShape(2, 1, 4, 3);
        try (VectorKernels kernels = new VectorKernels(1, Activations.F32)) {
            KvBlock cache = kernels.newKvBlock(shape, CacheType.F32);
            cache.put(new Positions(0, 1), 0, new float[] {1, 2, 3, 4}, new float[] {5, 6, 7, 8});
            float[] mixed = new float[8];
            kernels.attend(List.of(cache), List.of(new Positions(0, 1)), new float[] {9, 9, 9, 9, -9, 9, 9, 9}, mixed);
            assertThat(mixed).containsExactly(5, 6, 7, 8, 5, 6, 7, 8);
        }
    }

    @Test
    void largeScoresDoNotOverflowAttention() {
        KvShape shape = new KvShape(1, 1, 2, 2);
        try (VectorKernels kernels = new VectorKernels(1, Activations.F32)) {
            KvBlock cache = kernels.newKvBlock(shape, CacheType.F32);
            cache.put(new Positions(0, 2), 0, new float[] {1e4f, 0, -1e4f, 0}, new float[] {1, 2, 3, 4});
            float[] mixed = new float[4];
            kernels.attend(List.of(cache), List.of(new Positions(0, 2)), new float[] {1e4f, 0, 1e4f, 0}, mixed);
            assertThat(mixed).containsExactly(1, 2, 1, 2);
        }
    }

    @Test
    void moreTokensThanTheCacheHoldsAreRefused() {
        KvBlock cache = new Scalar().newKvBlock(new KvShape(1, 1, 2, 2), CacheType.F32);
        assertThatThrownBy(() -> cache.put(new Positions(1, 2), 0, new float[4], new float[4]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("cache: got 3 tokens, want at most 2");
    }

    @Test
    void queryThatSeesOnlyItselfTakesItsOwnValue() {
        KvShape shape = new KvShape(1, 1, 2, 3, new ScoreRule(1, 0, 1));
        KvBlock cache = new Scalar().newKvBlock(shape, CacheType.F32);
        cache.put(new Positions(0, 3), 0, new float[] {1, 2, 3, 4, 5, 6}, new float[] {1, 2, 3, 4, 5, 6});
        float[] mixed = new float[6];
        new Scalar().attend(List.of(cache), List.of(new Positions(0, 3)), new float[] {1, 1, 1, 1, 1, 1}, mixed);
        assertThat(mixed).containsExactly(1, 2, 3, 4, 5, 6);
    }

    @Test
    void geluIsItsTanhForm() {
        for (double x : new double[] {-3, -0.5, 0, 0.1, 2}) {
            double want = 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
            assertThat(Gate.GELU.of(x)).isCloseTo(want, within(1e-15));
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void biasesAndBoundsAgreeWithScalar(long seed) {
        Random random = new Random(seed);
        for (int count : new int[] {1, 31, 33, 1021, 20_000}) {
            float[] row = Weights.gaussians(count, random);
            float[] want = Weights.gaussians(3 * count, random);
            want[0] = seed % 2 == 0 ? 1e30f : -1e30f;
            float[] got = want.clone();
            try (VectorKernels kernels = new VectorKernels(2, Activations.F32)) {
                new Scalar().addRow(row, 3, want);
                kernels.addRow(row, 3, got);
                assertThat(got).containsExactly(want);
                new Scalar().cap(2.5, want.length, want);
                kernels.cap(2.5, got.length, got);
                for (int i = 0; i < want.length; i++) {
                    assertThat(got[i]).isCloseTo(want[i], bound(16 * UNIT * 2.5));
                }
            }
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void gateAndSumAgreeWithScalar(long seed) {
        Random random = new Random(seed);
        Gate gate = seed % 2 == 0 ? Gate.SILU : Gate.GELU;
        // GELU's exponent, up to 87, is rounded four times, which the exponential multiplies with its size
        double units = gate == Gate.SILU ? 8 : 8 + 4 * 87;
        for (int count : new int[] {1, 31, 33, 1021, 20_000}) {
            float[] want = Weights.gaussians(count, random);
            float scale = 1 << random.nextInt(8);
            for (int i = 0; i < count; i++) {
                want[i] *= scale;
            }
            float[] got = want.clone();
            float[] up = Weights.gaussians(count, random);
            try (VectorKernels kernels = new VectorKernels(2, Activations.F32)) {
                new Scalar().gate(gate, count, want, up);
                kernels.gate(gate, count, got, up);
                for (int i = 0; i < count; i++) {
                    // below -87 the exponential is bounded: results there are tiny, and differ
                    assertThat(got[i]).isCloseTo(want[i], bound(units * UNIT * Math.abs(want[i]) + 1e-33));
                }
                got = want.clone();
                new Scalar().add(count, want, up);
                kernels.add(count, got, up);
                assertThat(got).containsExactly(want);
            }
        }
    }

    @Test
    void exponentialIsWithinTwoUnitsInTheLastPlace() {
        float[] x = new float[Lanes.COUNT];
        for (float start = -86.9f; start < 87.9f; start += 0.037f) {
            for (int i = 0; i < x.length; i++) {
                x[i] = start + 1e-3f * i;
            }
            FloatVector got = Elementwise.exp(FloatVector.fromArray(Lanes.FLOATS, x, 0));
            for (int i = 0; i < x.length; i++) {
                double want = Math.exp(x[i]);
                assertThat(Math.abs(got.lane(i) - want)).isLessThan(2 * Math.ulp((float) want));
            }
        }
    }

    @Test
    void buildRunsTheVectorKernels() {
        assertThat(VectorSupport.findObstacle()).isNull();
    }

    private static org.assertj.core.data.Offset<Float> bound(double limit) {
        return within((float) (limit * 1.001));
    }
}
