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
                new LineProgress(new LineProgress.Work("perplexity", "windows", 8, 0), lines::add, () -> now)) {
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
        new LineProgress(new LineProgress.Work("perplexity", "windows", 8, 0), lines::add, () -> now).close();
        assertThat(lines).isEmpty();
    }

    @Test
    void bytesThatWereThereBeforeDontCountAsSpeed() {
        try (LineProgress progress = new LineProgress(
                new LineProgress.Work("pull", "bytes", 2_000_000_000, 1_500_000_000), lines::add, () -> now)) {
            now += 10 * SECOND;
            progress.advance(100_000_000);
            progress.advance(-1_600_000_000); // the file begins again
            now += 10 * SECOND;
            progress.advance(2_000_000_000);
        }
        assertThat(lines).containsExactly("pull: 1.6 GB of 2.0 GB, 40 s left", "pull: 2.0 GB of 2.0 GB in 20 s");
    }
}
