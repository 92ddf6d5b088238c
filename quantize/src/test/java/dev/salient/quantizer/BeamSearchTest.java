package dev.salient.quantizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.method.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The search against one that computes e^T H e anew, in double, for every assignment that it looks at. */
class BeamSearchTest {
    private static final int OUT = 3;
    private static final int GROUPS = 4;

    static Stream<Arguments> cases() {
        return Stream.of(
                        new Grid.Codebooks(1, 4, 8),
                        new Grid.Codebooks(2, 3, 4),
                        new Grid.Codebooks(3, 2, 3),
                        new Grid.Codebooks(2, 5, 1))
                .flatMap(grid -> IntStream.of(1, 2, 5)
                        .boxed()
                        .flatMap(width -> Stream.of(1L, 2L).map(seed -> Arguments.of(grid, width, seed))));
    }

    @ParameterizedTest(name = "{0}, {1} wide, seed {2}")
    @MethodSource("cases")
    void codesAreThoseOfASearchThatComputesEveryErrorAnew(Grid.Codebooks grid, int width, long seed) {
        Random random = new Random(seed);
        int in = GROUPS * grid.groupSize();
        AdditiveCodes codes = new AdditiveCodes(grid, OUT, in);
        Arrays.setAll(codes.codes, i -> random.nextInt(grid.entries()));
        fill(codes.vectors, random);
        fill(codes.scales, random);
        float[] weights = new float[OUT * in];
        fill(weights, random);
        float[] h = gram(random, in);
        float[] pull = new float[OUT * in];
        List<int[]> want = new ArrayList<>();
        for (int row = 0; row < OUT; row++) {
            float[] own = Arrays.copyOfRange(weights, row * in, (row + 1) * in);
            int places = GROUPS * grid.count();
            int[] start = Arrays.copyOfRange(codes.codes, row * places, (row + 1) * places);
            double[] off = off(codes, row, start, own);
            for (int i = 0; i < in; i++) {
                double sum = 0;
                for (int j = 0; j < in; j++) {
                    sum += h[i * in + j] * off[j];
                }
                pull[row * in + i] = (float) sum;
            }
            want.add(search(codes, row, start, own, h, width));
        }
        BeamSearch.improve(codes, h, pull, width);
        for (int row = 0; row < OUT; row++) {
            int places = GROUPS * grid.count();
            assertThat(Arrays.copyOfRange(codes.codes, row * places, (row + 1) * places))
                    .as("row %d", row)
                    .isEqualTo(want.get(row));
        }
    }

    private static int[] search(AdditiveCodes codes, int row, int[] start, float[] weights, float[] h, int width) {
        List<int[]> beam = List.of(start);
        for (int place = 0; place < start.length; place++) {
            List<int[]> tried = new ArrayList<>();
            for (int[] assignment : beam) {
                for (int k = 0; k < codes.grid.entries(); k++) {
                    int[] other = assignment.clone();
                    other[place] = k;
                    tried.add(other);
                }
            }
            tried.sort(Comparator.comparingDouble(one -> error(off(codes, row, one, weights), h)));
            beam = List.copyOf(tried.subList(0, Math.min(width, tried.size())));
        }
        return beam.getFirst();
    }

    private static double[] off(AdditiveCodes codes, int row, int[] own, float[] weights) {
        Grid.Codebooks grid = codes.grid;
        double[] off = new double[weights.length];
        for (int i = 0; i < off.length; i++) {
            int group = i / grid.groupSize();
            for (int m = 0; m < grid.count(); m++) {
                int vector = m * grid.entries() + own[group * grid.count() + m];
                off[i] += codes.scales[row] * (double) codes.vectors[vector * grid.groupSize() + i % grid.groupSize()];
            }
            off[i] -= weights[i];
        }
        return off;
    }

    private static double error(double[] off, float[] h) {
        double sum = 0;
        for (int i = 0; i < off.length; i++) {
            for (int j = 0; j < off.length; j++) {
                sum += off[i] * h[i * off.length + j] * off[j];
            }
        }
        return sum;
    }

    private static void fill(float[] values, Random random) {
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
    }

    /** Of inputs whose neighbours have much in common. */
    private static float[] gram(Random random, int in) {
        float[] gram = new float[in * in];
        for (int t = 0; t < 3 * in; t++) {
            double[] x = new double[in];
            double common = 0;
            for (int i = 0; i < in; i++) {
                common = 0.8 * common + random.nextGaussian();
                x[i] = common;
            }
            for (int i = 0; i < in * in; i++) {
                gram[i] += (float) (x[i / in] * x[i % in]);
            }
        }
        for (int i = 0; i < in * in; i++) {
            gram[i] = gram[Math.max(i / in, i % in) * in + Math.min(i / in, i % in)]; // symmetric to the last bit
        }
        return gram;
    }
}
