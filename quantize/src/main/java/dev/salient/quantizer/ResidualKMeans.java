package dev.salient.quantizer;

import dev.salient.method.Grid;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Where AQLM starts (arXiv 2401.06118, section 3.1): k-means of all groups of a linear, then k-means of what is left, one
 * codebook after the other; each weight counts by the energy of its input channel.
 *
 * <pre>
 * distance of group (o, g) from a vector c = sum_k energy[g size + k] (w[o, g size + k] / scale[o] - c_k)^2
 * </pre>
 *
 * <p>Scales are the rows' root mean squares. Differs from the reference in: codebooks are fitted to a sample of the groups,
 * {@value #SAMPLE} for each vector; vectors that no group is nearest to start anew at a random group.
 */
final class ResidualKMeans {
    private static final int TURNS = 20;
    private static final int SAMPLE = 64;

    private final AdditiveCodes codes;
    private final float[] energies;
    /** What earlier codebooks left, in units of the row's scale, [out, in]. */
    private final float[] rest;

    private ResidualKMeans(float[] weights, float[] energies, AdditiveCodes codes) {
        this.codes = codes;
        this.energies = energies;
        rest = new float[weights.length];
        for (int row = 0; row < codes.out; row++) {
            double sum = 0;
            for (int i = 0; i < codes.in; i++) {
                sum += (double) weights[row * codes.in + i] * weights[row * codes.in + i];
            }
            codes.scales[row] = sum == 0 ? 1 : (float) Math.sqrt(sum / codes.in);
            for (int i = 0; i < codes.in; i++) {
                rest[row * codes.in + i] = weights[row * codes.in + i] / codes.scales[row];
            }
        }
    }

    /**
     * Codes, codebooks and scales to start from.
     *
     * @param weights [out, in]
     * @param energies of the input channels, [in], more than 0
     */
    static AdditiveCodes start(float[] weights, float[] energies, Grid.Codebooks grid, SplittableRandom random) {
        AdditiveCodes codes = new AdditiveCodes(grid, weights.length / energies.length, energies.length);
        ResidualKMeans start = new ResidualKMeans(weights, energies, codes);
        for (int m = 0; m < grid.count(); m++) {
            start.fit(m, random.split());
            start.assignAll(m);
        }
        return codes;
    }

    /** Groups count on through all rows: group {@code n} is of row {@code n / groups}. */
    private int first(int group) {
        return group * codes.grid.groupSize();
    }

    private void fit(int m, SplittableRandom random) {
        int entries = codes.grid.entries();
        int size = codes.grid.groupSize();
        int groups = codes.out * codes.groups();
        int[] sample = groups <= SAMPLE * entries
                ? IntStream.range(0, groups).toArray()
                : random.ints((long) SAMPLE * entries, 0, groups).toArray();
        for (int k = 0; k < entries; k++) {
            System.arraycopy(
                    rest, first(sample[random.nextInt(sample.length)]), codes.vectors, codes.vector(m, k), size);
        }
        for (int turn = 0; turn < TURNS; turn++) {
            int[] nearest = nearest(m, sample);
            double[] sums = new double[entries * size];
            double[] counts = new double[entries * size];
            for (int n = 0; n < sample.length; n++) {
                for (int k = 0; k < size; k++) {
                    double energy = energies[first(sample[n]) % codes.in + k];
                    sums[nearest[n] * size + k] += energy * rest[first(sample[n]) + k];
                    counts[nearest[n] * size + k] += energy;
                }
            }
            for (int k = 0; k < entries; k++) {
                int chosen = counts[k * size] == 0 ? sample[random.nextInt(sample.length)] : -1;
                for (int j = 0; j < size; j++) {
                    int at = k * size + j;
                    codes.vectors[codes.vector(m, 0) + at] =
                            chosen < 0 ? (float) (sums[at] / counts[at]) : rest[first(chosen) + j];
                }
            }
        }
    }

    private void assignAll(int m) {
        int count = codes.grid.count();
        int[] nearest =
                nearest(m, IntStream.range(0, codes.out * codes.groups()).toArray());
        for (int n = 0; n < nearest.length; n++) {
            codes.codes[n * count + m] = nearest[n];
            for (int k = 0; k < codes.grid.groupSize(); k++) {
                rest[first(n) + k] -= codes.vectors[codes.vector(m, nearest[n]) + k];
            }
        }
    }

    /** The nearest vector of codebook {@code m} to each of these groups. */
    private int[] nearest(int m, int[] groups) {
        int entries = codes.grid.entries();
        int size = codes.grid.groupSize();
        float[] transposed = transposed(codes, m);
        int[] nearest = new int[groups.length];
        int pieces = (groups.length + 1023) / 1024;
        IntStream.range(0, pieces).parallel().forEach(piece -> {
            float[] distances = new float[entries];
            for (int n = piece * 1024; n < Math.min(groups.length, (piece + 1) * 1024); n++) {
                java.util.Arrays.fill(distances, 0);
                for (int k = 0; k < size; k++) {
                    addDistances(
                            distances,
                            transposed,
                            k * entries,
                            energies[first(groups[n]) % codes.in + k],
                            rest[first(groups[n]) + k]);
                }
                nearest[n] = smallest(distances);
            }
        });
        return nearest;
    }

    private static void addDistances(float[] distances, float[] transposed, int from, float energy, float value) {
        for (int k = 0; k < distances.length; k++) {
            float off = transposed[from + k] - value;
            distances[k] += energy * off * off;
        }
    }

    private static int smallest(float[] values) {
        int smallest = 0;
        for (int k = 1; k < values.length; k++) {
            smallest = values[k] < values[smallest] ? k : smallest;
        }
        return smallest;
    }

    /** Codebook {@code m} with the vectors' first numbers first: [size, entries], so that a loop over vectors is one over neighbours. */
    static float[] transposed(AdditiveCodes codes, int m) {
        int entries = codes.grid.entries();
        int size = codes.grid.groupSize();
        float[] transposed = new float[size * entries];
        for (int k = 0; k < entries; k++) {
            for (int j = 0; j < size; j++) {
                transposed[j * entries + k] = codes.vectors[codes.vector(m, k) + j];
            }
        }
        return transposed;
    }
}
