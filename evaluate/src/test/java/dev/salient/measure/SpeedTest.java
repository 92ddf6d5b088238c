package dev.salient.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class SpeedTest {
    private final BigramModel model = new BigramModel(11, 5);

    @Test
    void everyRunReadsThePromptAndWritesTheRestAndTheFirstDoesNotCount() {
        List<Integer> told = new ArrayList<>();
        Speed speed = Speed.of(model, new Speed.Plan(7, 3, 1, 4), (done, all, value) -> {
            assertThat(all).isEqualTo(5);
            assertThat(value).isPositive();
            told.add(done);
        });
        assertThat(model.fed).isEqualTo(5 * 10);
        assertThat(told).containsExactly(1, 2, 3, 4, 5);
        assertThat(speed.prefills()).hasSize(4).allMatch(rate -> rate > 0);
        assertThat(speed.decodes()).hasSize(4).allMatch(rate -> rate > 0);
        assertThat(speed.prefill()).isEqualTo(Speed.median(speed.prefills()));
        assertThat(speed.decode()).isEqualTo(Speed.median(speed.decodes()));
    }

    @Test
    void sequencesAreCountedTogether() {
        Speed.of(model, new Speed.Plan(7, 3, 5, 1), Progress.NONE);
        assertThat(model.fed).isEqualTo(2 * 5 * 10);
    }

    @Test
    void theMedianOfAnEvenNumberLiesBetweenTheMiddleTwo() {
        assertThat(Speed.median(List.of(5.0, 1.0, 9.0))).isEqualTo(5.0);
        assertThat(Speed.median(List.of(8.0, 1.0, 9.0, 4.0))).isEqualTo(6.0);
    }

    @Test
    void aSequenceLongerThanTheContextIsRejected() {
        assertThatThrownBy(() -> Speed.of(model, new Speed.Plan(60, 5, 1, 1), Progress.NONE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("tokens: got 65, want at most 64, the context");
        assertThatThrownBy(() -> new Speed.Plan(1, 1, 1, 0)).hasMessage("runs: got 0, want 1 or more");
    }
}
