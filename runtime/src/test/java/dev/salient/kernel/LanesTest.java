package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;

class LanesTest {
    /** Enough calls for both of HotSpot's compilers. */
    private static final int CALLS = 50_000;

    @Test
    void theSumOfLanesIsTheSameInTheInterpreterAndCompiled() {
        Random random = new Random(4);
        float[] values = new float[64 * COUNT];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextGaussian() * Math.exp(4 * random.nextGaussian()));
        }
        for (int call = 0; call < CALLS; call++) {
            int at = call % 64 * COUNT;
            assertThat(Lanes.sum(FloatVector.fromArray(FLOATS, values, at))).isEqualTo(halvesFirst(values, at, COUNT));
        }
    }

    /** The lower half of what is left plus its upper half, until one is left. */
    private static float halvesFirst(float[] values, int at, int count) {
        float[] left = Arrays.copyOfRange(values, at, at + count);
        for (int half = count / 2; half > 0; half /= 2) {
            for (int i = 0; i < half; i++) {
                left[i] += left[i + half];
            }
        }
        return left[0];
    }
}
