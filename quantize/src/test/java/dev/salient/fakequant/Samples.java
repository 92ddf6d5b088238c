package dev.salient.fakequant;

import java.util.Random;

/** What tests of formulas share. */
final class Samples {
    private Samples() {}

    static float[] gaussians(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }
}
