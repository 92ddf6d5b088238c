package dev.salient.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LineProgressTest {
    private static final long SECOND = 1_000_000_000;

    private final List<String> lines = new ArrayList<>();
    private long now;

    @Test
    void linesComeEveryFiveSecondsAtMostAndOnceAtTheEnd() {
        try (LineProgress progress =
                new LineProgress(new LineProgress.Work("perplexity", "windows", 8), lines::add, () -> now)) {
            for (int window = 1; window <= 8; window++) {
                now += 2 * SECOND;
                progress.note("27.%d so far".formatted(window));
                progress.advance(1);
            }
        }
        assertThat(lines)
                .containsExactly(
                        "perplexity: 3/8 windows, 27.3 so far, 10 s left",
                        "perplexity: 6/8 windows, 27.6 so far, 4.0 s left",
                        "perplexity: 8/8 windows, 27.8 so far in 16 s");
    }

    @Test
    void nothingDoneIsNothingSaid() {
        new LineProgress(new LineProgress.Work("perplexity", "windows", 8), lines::add, () -> now).close();
        assertThat(lines).isEmpty();
    }
}
