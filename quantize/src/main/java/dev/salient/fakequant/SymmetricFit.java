package dev.salient.fakequant;

import dev.salient.method.Grid;
import java.util.Arrays;

/**
 * The scale d of a ternary or binary group that leaves the least squared error, exactly.
 *
 * <p>With the k largest |w| at level 1 and the others at 0 the best d is their mean, and the error falls by {@code (sum |w|)^2 / k}: the
 * best k is found by trying all. Of a binary group all have level 1, and d is the mean of all |w|.
 */
final class SymmetricFit {
    private SymmetricFit() {}

    /** The best scale as a share of the largest |w|; 1 where all are 0. */
    static float share(float[] weights, int from, int groupSize, Grid grid) {
        float[] sizes = new float[groupSize];
        for (int i = 0; i < groupSize; i++) {
            sizes[i] = Math.abs(weights[from + i]);
        }
        Arrays.sort(sizes);
        float largest = sizes[groupSize - 1];
        double sum = 0;
        double scale = 0;
        double most = -1;
        for (int k = 1; k <= groupSize; k++) {
            sum += sizes[groupSize - k];
            double gain = sum * sum / k;
            if (gain > most || grid instanceof Grid.Binary) {
                most = gain;
                scale = sum / k;
            }
        }
        return largest == 0 ? 1 : (float) (scale / largest);
    }
}
