package dev.salient.fakequant;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.method.Grid;
import dev.salient.torch.TorchDevice;

/** The clipping formula once more, in double and one weight at a time; it shares no code with the fast ones. */
final class NaiveClipping {
    private final ClippedGroups weight;
    private final float[] original;
    private final float[] latent;
    private final double[] scale;
    private final double[] zero;
    private final double[] up;
    private final double[] down;
    private final double[] max;
    private final double[] min;
    private final int n;
    private final boolean symmetric;
    private final boolean binary;

    NaiveClipping(ClippedGroups weight) {
        this.weight = weight;
        original = TorchDevice.toFloats(weight.original());
        latent = TorchDevice.toFloats(weight.latent());
        float[] u = TorchDevice.toFloats(weight.upper());
        float[] l = TorchDevice.toFloats(weight.lower());
        binary = weight.grid() instanceof Grid.Binary;
        symmetric = binary || weight.grid() instanceof Grid.Ternary;
        n = symmetric ? 2 : (int) Math.pow(2, weight.grid().bits()) - 1;
        scale = new double[u.length];
        zero = new double[u.length];
        up = new double[u.length];
        down = new double[u.length];
        max = new double[u.length];
        min = new double[u.length];
        for (int g = 0; g < u.length; g++) {
            for (int i = g * weight.groupSize(); i < (g + 1) * weight.groupSize(); i++) {
                max[g] = Math.max(max[g], original[i]);
                min[g] = Math.min(min[g], original[i]);
            }
            if (symmetric) {
                max[g] = Math.max(max[g], -min[g]);
                min[g] = -max[g];
            }
            if (weight.grid() instanceof Grid.Signed) {
                double h = (n + 1) / 2.0;
                boolean upwards = max[g] >= -min[g];
                min[g] = upwards ? -max[g] * (h - 1) / h : min[g];
                max[g] = upwards ? max[g] : -min[g] * (h - 1) / h;
            }
            up[g] = 1 / (1 + Math.exp(-u[g]));
            down[g] = 1 / (1 + Math.exp(-l[g]));
            double hi = up[g] * max[g];
            double lo = down[g] * min[g];
            scale[g] = (hi - lo) / n;
            boolean signed = weight.grid() instanceof Grid.Signed2 || weight.grid() instanceof Grid.Signed;
            zero[g] = symmetric ? 1 : signed ? (hi >= -lo ? n / 2 : n / 2 + 1) : Math.rint(-lo / scale[g]);
        }
    }

    /** Whether a weight lies so near the border of two levels that fp32 may round it either way. */
    private boolean isTie(int i) {
        double ratio = latent[i] / scale[i / weight.groupSize()];
        if (binary) {
            return Math.abs(Math.abs(ratio) - 2) < 1e-5;
        }
        return Math.abs(Math.abs(ratio - Math.floor(ratio)) - 0.5) < 1e-5;
    }

    private double level(int i) {
        int g = i / weight.groupSize();
        if (binary) {
            return latent[i] < 0 ? -1 : 1;
        }
        return Math.max(-zero[g], Math.min(n - zero[g], Math.rint(latent[i] / scale[g])));
    }

    void expectValue(int i, float got) {
        if (!isTie(i)) {
            double want = scale[i / weight.groupSize()] * level(i);
            assertThat(Math.abs(got - want))
                    .as("weight %d", i)
                    .isLessThanOrEqualTo(8 * Math.ulp((float) Math.abs(want)));
        }
    }

    /** Gradients are about 1 here. */
    void expectGradient(int i, float got, double want) {
        if (!isTie(i)) {
            assertThat(Math.abs(got - want)).as("weight %d", i).isLessThanOrEqualTo(1e-5);
        }
    }

    /** Gradients of each group, the size of the terms that they sum, and the preservation term. */
    static final class Sums {
        final double[] upper;
        final double[] lower;
        final double[] magnitude;
        /** Of the trained weight. */
        final double[] weight;

        double preservation;

        private Sums(int groups, int weights) {
            upper = new double[groups];
            lower = new double[groups];
            magnitude = new double[groups];
            weight = new double[weights];
        }
    }

    Sums gradients(float[] gradient, float[] saliency, double lambda) {
        Sums sums = new Sums(scale.length, original.length);
        for (int g = 0; g < scale.length; g++) {
            double toScale = 0;
            double terms = 0;
            for (int i = g * weight.groupSize(); i < (g + 1) * weight.groupSize(); i++) {
                double off = scale[g] * level(i) - original[i];
                double total = gradient[i] + 2 * lambda * saliency[i] * off;
                double ratio = latent[i] / scale[g];
                boolean inside = binary ? Math.abs(ratio) <= 2 : Math.rint(ratio) == level(i);
                double slope = level(i) - (inside && !binary ? ratio : 0);
                toScale += total * slope;
                sums.weight[i] = inside ? total : 0;
                terms += (Math.abs(gradient[i]) + 2 * lambda * saliency[i] * (Math.abs(off) + Math.abs(original[i])))
                        * (Math.abs(level(i)) + Math.abs(latent[i] / scale[g]));
                sums.preservation += saliency[i] * off * off;
            }
            sums.upper[g] = toScale / n * max[g] * up[g] * (1 - up[g]);
            sums.lower[g] = -toScale / n * min[g] * down[g] * (1 - down[g]);
            sums.magnitude[g] = terms / n * Math.max(max[g], -min[g]);
        }
        return sums;
    }
}
