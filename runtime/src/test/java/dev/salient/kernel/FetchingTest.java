package dev.salient.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FetchingTest {
    private static Prepared weight() {
        return Prepared.of(Weights.dense(DType.F32, 2, 2, new Random(1)));
    }

    /** Times every weight in both ways until the choice is made; says whether cache lines are asked for first then. */
    private static boolean chosen(List<Prepared> weights, long streaming, long touching) {
        Fetching fetching = new Fetching();
        List<Boolean> seen = new ArrayList<>();
        for (int pass = 0; pass < 2 * Fetching.TRIALS; pass++) {
            for (Prepared weight : weights) {
                fetching.begin(weight);
                seen.add(fetching.touches());
                boolean first = pass < 2; // not compiled yet
                fetching.took(weight, (fetching.touches() ? touching : streaming) * (first ? 100 : 1));
            }
        }
        assertThat(seen.stream().filter(touches -> touches).count()).isEqualTo(seen.size() / 2);
        assertThat(fetching.isOpen()).isFalse();
        return fetching.touches();
    }

    @Test
    void keepsTheFasterWay() {
        List<Prepared> one = List.of(weight());
        assertThat(chosen(one, 1000, 999)).isTrue();
        assertThat(chosen(one, 999, 1000)).isFalse();
        assertThat(chosen(one, 1000, 1000)).isFalse();
    }

    /** A large weight counts for more than a small one, and one that was seen in one way alone for nothing. */
    @Test
    void addsUpAllWeights() {
        Prepared small = weight();
        Prepared large = weight();
        Prepared once = weight();
        Fetching fetching = new Fetching();
        fetching.begin(once);
        fetching.took(once, 1_000_000);
        for (int pass = 0; pass < 2 * Fetching.TRIALS && fetching.isOpen(); pass++) {
            fetching.begin(large);
            fetching.took(large, fetching.touches() ? 500 : 1000);
            fetching.begin(small);
            fetching.took(small, fetching.touches() ? 100 : 10);
        }
        assertThat(fetching.touches()).isTrue();
    }

    /** Whichever way was taken, and when the choice is made: the products are the same. */
    @Test
    void productsDoNotDependOnIt() {
        Random random = new Random(1);
        PackedWeight weight = Weights.symmetric(false, 64, new int[] {4096, 192}, random);
        float[] x = Weights.gaussians(192, random);
        try (VectorKernels kernels = new VectorKernels(2, Activations.F32)) {
            float[] want = new float[4096];
            kernels.multiply(weight, 1, x, want);
            for (int pass = 0; pass < 2 * Fetching.TRIALS + 2; pass++) {
                float[] got = new float[4096];
                kernels.multiply(weight, 1, x, got);
                assertThat(Arrays.equals(want, got)).as("pass %d", pass).isTrue();
            }
        }
    }
}
