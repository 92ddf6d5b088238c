package dev.salient.quantizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.method.Grid;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** K-means of what is left, written out in double. */
class ResidualKMeansTest {
    private static final int OUT = 24;
    private static final int IN = 32;

    static Stream<Arguments> cases() {
        return Stream.of(new Grid.Codebooks(1, 4, 8), new Grid.Codebooks(2, 3, 4), new Grid.Codebooks(3, 2, 16))
                .flatMap(grid -> Stream.of(1L, 2L, 3L).map(seed -> Arguments.of(grid, seed)));
    }

    @ParameterizedTest(name = "{0}, seed {1}")
    @MethodSource("cases")
    void codebooksAreThoseOfAPlainKMeans(Grid.Codebooks grid, long seed) {
        Random random = new Random(seed);
        float[] weights = new float[OUT * IN];
        float[] energies = new float[IN];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = i / IN == 5 ? 0 : (float) (random.nextGaussian() * (1 + i / IN)); // row 5 is all zero
        }
        for (int i = 0; i < IN; i++) {
            energies[i] = random.nextFloat(0.1f, 3);
        }
        AdditiveCodes got = ResidualKMeans.start(weights, energies, grid, new SplittableRandom(seed));
        Naive want = new Naive(weights, energies, grid);
        want.run(new SplittableRandom(seed));
        for (int i = 0; i < want.codes.length; i++) {
            assertThat(got.codes[i]).as("code %d", i).isEqualTo(want.codes[i]);
        }
        for (int i = 0; i < got.vectors.length; i++) {
            // sums of at most all groups, of numbers up to some 5 with an error of half an ulp each
            assertThat((double) got.vectors[i]).as("number %d", i).isCloseTo(want.vectors[i], within(1e-5));
        }
        assertThat(got.scales[5]).isEqualTo(1);
    }

    private static final class Naive {
        private final Grid.Codebooks grid;
        private final float[] energies;
        private final double[][] rest;
        private final int[] codes;
        private final double[] vectors;

        Naive(float[] weights, float[] energies, Grid.Codebooks grid) {
            this.grid = grid;
            this.energies = energies;
            int size = grid.groupSize();
            rest = new double[OUT * IN / size][size];
            codes = new int[rest.length * grid.count()];
            vectors = new double[grid.count() * grid.entries() * size];
            for (int row = 0; row < OUT; row++) {
                double sum = 0;
                for (int i = 0; i < IN; i++) {
                    sum += (double) weights[row * IN + i] * weights[row * IN + i];
                }
                double scale = sum == 0 ? 1 : Math.sqrt(sum / IN);
                for (int i = 0; i < IN; i++) {
                    rest[(row * IN + i) / size][i % size] = weights[row * IN + i] / scale;
                }
            }
        }

        void run(SplittableRandom all) {
            int size = grid.groupSize();
            for (int m = 0; m < grid.count(); m++) {
                SplittableRandom random = all.split();
                double[][] centers = new double[grid.entries()][];
                for (int k = 0; k < centers.length; k++) {
                    centers[k] = rest[random.nextInt(rest.length)].clone();
                }
                for (int turn = 0; turn < 20; turn++) {
                    double[][] sums = new double[centers.length][size];
                    double[][] counts = new double[centers.length][size];
                    for (int n = 0; n < rest.length; n++) {
                        int k = nearest(centers, n);
                        for (int j = 0; j < size; j++) {
                            sums[k][j] += energy(n, j) * rest[n][j];
                            counts[k][j] += energy(n, j);
                        }
                    }
                    for (int k = 0; k < centers.length; k++) {
                        int anew = counts[k][0] == 0 ? random.nextInt(rest.length) : 0;
                        for (int j = 0; j < size; j++) {
                            centers[k][j] = counts[k][0] == 0 ? rest[anew][j] : sums[k][j] / counts[k][j];
                        }
                    }
                }
                int[] last = new int[rest.length];
                for (int n = 0; n < rest.length; n++) {
                    last[n] = nearest(centers, n);
                }
                for (int n = 0; n < rest.length; n++) {
                    codes[n * grid.count() + m] = last[n];
                    for (int j = 0; j < size; j++) {
                        rest[n][j] -= centers[last[n]][j];
                    }
                }
                for (int i = 0; i < centers.length * size; i++) {
                    vectors[m * centers.length * size + i] = centers[i / size][i % size];
                }
            }
        }

        private double energy(int group, int j) {
            return energies[group * grid.groupSize() % IN + j];
        }

        private int nearest(double[][] centers, int group) {
            int nearest = -1;
            double least = Double.POSITIVE_INFINITY;
            for (int k = 0; k < centers.length; k++) {
                double distance = 0;
                for (int j = 0; j < centers[k].length; j++) {
                    distance += energy(group, j) * Math.pow(rest[group][j] - centers[k][j], 2);
                }
                if (distance < least) {
                    least = distance;
                    nearest = k;
                }
            }
            return nearest;
        }
    }
}
