package dev.salient.quantizer;

import java.util.SplittableRandom;

/** The training of one linear's clipping and adapter once more, in double and loops; it shares no code with the fast one. */
final class NaiveTraining {
    final int out;
    final int in;
    final int size;
    final int rank;
    final double scaling;
    final double[][] weight;
    /** Logits u and l, [out][groups]; A [rank][in], B [out][rank]. */
    double[][] upper;

    double[][] lower;
    double[][] a;
    double[][] b;
    /** DoRA's lengths, [out][1]; of LoRA no one looks at them. */
    double[][] lengths;

    private final boolean stretches;
    private final double[][][] moments;
    private int steps;

    NaiveTraining(double[][] weight, int size, int rank, double scaling, boolean stretches, SplittableRandom random) {
        this.stretches = stretches;
        this.weight = weight;
        this.out = weight.length;
        this.in = weight[0].length;
        this.size = size;
        this.rank = rank;
        this.scaling = scaling;
        upper = filled(out, in / size, 4);
        lower = filled(out, in / size, 4);
        a = new double[rank][in];
        for (double[] row : a) {
            for (int i = 0; i < in; i++) {
                row[i] = (float) random.nextDouble(-1 / Math.sqrt(in), 1 / Math.sqrt(in));
            }
        }
        b = new double[out][rank];
        lengths = new double[out][1];
        for (int o = 0; o < out; o++) {
            lengths[o][0] = length(weight[o]);
        }
        moments = new double[][][] {
            filled(out, in / size, 0), filled(out, in / size, 0), filled(out, in / size, 0), filled(out, in / size, 0),
            filled(rank, in, 0), filled(rank, in, 0), filled(out, rank, 0), filled(out, rank, 0),
            filled(out, 1, 0), filled(out, 1, 0)
        };
    }

    private static double length(double[] row) {
        double squares = 0;
        for (double value : row) {
            squares += value * value;
        }
        return Math.sqrt(squares);
    }

    static double[][] filled(int rows, int columns, double value) {
        double[][] all = new double[rows][columns];
        for (double[] row : all) {
            java.util.Arrays.fill(row, value);
        }
        return all;
    }

    private static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    /** Of a group: largest and smallest weight, scale, zero point (signed2). */
    double[] group(int o, int g) {
        double max = 0;
        double min = 0;
        for (int i = g * size; i < (g + 1) * size; i++) {
            max = Math.max(max, weight[o][i]);
            min = Math.min(min, weight[o][i]);
        }
        double hi = sigmoid(upper[o][g]) * max;
        double lo = sigmoid(lower[o][g]) * min;
        return new double[] {max, min, (hi - lo) / 3, hi >= -lo ? 1 : 2};
    }

    double level(int o, int i) {
        double[] group = group(o, i / size);
        return Math.max(-group[3], Math.min(3 - group[3], Math.rint(weight[o][i] / group[2])));
    }

    double quantized(int o, int i) {
        return group(o, i / size)[2] * level(o, i);
    }

    /** {@code m V / ||V||} with DoRA. */
    double[][] effective() {
        double[][] effective = sum();
        for (int o = 0; o < out && stretches; o++) {
            double stretch = lengths[o][0] / length(effective[o]);
            for (int i = 0; i < in; i++) {
                effective[o][i] *= stretch;
            }
        }
        return effective;
    }

    /** {@code V = Q(W) + scaling B A}. */
    private double[][] sum() {
        double[][] effective = new double[out][in];
        for (int o = 0; o < out; o++) {
            for (int i = 0; i < in; i++) {
                effective[o][i] = quantized(o, i);
                for (int r = 0; r < rank; r++) {
                    effective[o][i] += scaling * b[o][r] * a[r][i];
                }
            }
        }
        return effective;
    }

    /** The loss of a sample, its gradient by the effective weight added to {@code gradient}. */
    double loss(double[][] x, double[][] target, double[][] gradient) {
        double[][] effective = effective();
        double loss = 0;
        for (int t = 0; t < x.length; t++) {
            double energy = 0;
            for (double y : target[t]) {
                energy += y * y;
            }
            for (int o = 0; o < out; o++) {
                double off = -target[t][o];
                for (int i = 0; i < in; i++) {
                    off += x[t][i] * effective[o][i];
                }
                loss += off * off / (energy * x.length);
                for (int i = 0; i < in; i++) {
                    gradient[o][i] += 2 * off * x[t][i] / (energy * x.length);
                }
            }
        }
        return loss;
    }

    /** {@code sum F (Q(W) - W)^2}. */
    double preservation(double[][] saliency) {
        double sum = 0;
        for (int o = 0; o < out; o++) {
            for (int i = 0; i < in; i++) {
                sum += saliency[o][i] * Math.pow(quantized(o, i) - weight[o][i], 2);
            }
        }
        return sum;
    }

    /** One step; a negative lambda stands for none. */
    void step(double[][] byEffective, double[][] saliency, double lambda, double[] rates, double decay) {
        double[][] gradient = filled(out, in, 0);
        double[][] toLengths = new double[out][1];
        double[][] sum = sum();
        for (int o = 0; o < out; o++) {
            double norm = length(sum[o]);
            for (int i = 0; i < in; i++) {
                toLengths[o][0] += byEffective[o][i] * sum[o][i] / norm;
                gradient[o][i] = byEffective[o][i] * (stretches ? lengths[o][0] / norm : 1);
            }
        }
        double[][] toUpper = new double[out][in / size];
        double[][] toLower = new double[out][in / size];
        for (int o = 0; o < out; o++) {
            for (int g = 0; g < in / size; g++) {
                double[] group = group(o, g);
                double toScale = 0;
                for (int i = g * size; i < (g + 1) * size; i++) {
                    double level = level(o, i);
                    double ratio = weight[o][i] / group[2];
                    double slope = level - (Math.rint(ratio) == level ? ratio : 0);
                    double own = gradient[o][i] + 2 * lambda * saliency[o][i] * (group[2] * level - weight[o][i]);
                    toScale += own * slope;
                }
                double up = sigmoid(upper[o][g]);
                double down = sigmoid(lower[o][g]);
                toUpper[o][g] = toScale / 3 * group[0] * up * (1 - up);
                toLower[o][g] = -toScale / 3 * group[1] * down * (1 - down);
            }
        }
        double[][] toA = new double[rank][in];
        double[][] toB = new double[out][rank];
        for (int o = 0; o < out; o++) {
            for (int i = 0; i < in; i++) {
                for (int r = 0; r < rank; r++) {
                    toA[r][i] += scaling * b[o][r] * gradient[o][i];
                    toB[o][r] += scaling * a[r][i] * gradient[o][i];
                }
            }
        }
        steps++;
        adam(upper, toUpper, 0, rates[0], decay);
        adam(lower, toLower, 2, rates[0], decay);
        adam(a, toA, 4, rates[1], decay);
        adam(b, toB, 6, rates[1], decay);
        if (stretches) {
            adam(lengths, toLengths, 8, rates[1], decay);
        }
    }

    private void adam(double[][] values, double[][] gradient, int moment, double rate, double decay) {
        for (int i = 0; i < values.length; i++) {
            for (int j = 0; j < values[i].length; j++) {
                double g = gradient[i][j];
                moments[moment][i][j] = 0.9 * moments[moment][i][j] + 0.1 * g;
                moments[moment + 1][i][j] = 0.999 * moments[moment + 1][i][j] + 0.001 * g * g;
                double first = moments[moment][i][j] / (1 - Math.pow(0.9, steps));
                double second = moments[moment + 1][i][j] / (1 - Math.pow(0.999, steps));
                values[i][j] -= rate * decay * values[i][j] + rate * first / (Math.sqrt(second) + 1e-8);
            }
        }
    }

    /** Copies of u, l, A, B and lengths. */
    double[][][] snapshot() {
        return java.util.stream.Stream.of(upper, lower, a, b, lengths)
                .map(all -> java.util.Arrays.stream(all).map(double[]::clone).toArray(double[][]::new))
                .toArray(double[][][]::new);
    }

    void restore(double[][][] snapshot) {
        upper = snapshot[0];
        lower = snapshot[1];
        a = snapshot[2];
        b = snapshot[3];
        lengths = snapshot[4];
    }
}
