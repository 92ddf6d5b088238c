package dev.salient.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WindowFilesTest {
    @TempDir
    private Path folder;

    private final Windows windows = Windows.of(
            IntStream.range(0, 6)
                    .mapToObj(w -> new Random(w).ints(20, 0, 7).toArray())
                    .toList(),
            new int[0],
            Scoring.WHOLE_WINDOW);
    private final BigramModel original = new BigramModel(7, 1);
    private final BigramModel model = new BigramModel(7, 2);

    private Models models(WindowStore store) {
        return new Models(original, List.of(new Models.Measured(model, store)));
    }

    @Test
    void resumedMeasurementEqualsAnUninterruptedOne() throws IOException {
        List<Scores> whole = Scores.of(models(WindowStore.NONE), windows, new Work(2, Progress.NONE));
        WindowFiles files = new WindowFiles(folder.resolve("key"));
        Work stopping = new Work(2, (done, all, value) -> {
            if (done == 4) {
                Thread.currentThread().interrupt();
            }
        });
        assertThatThrownBy(() -> Scores.of(models(files), windows, stopping)).isInstanceOf(CancellationException.class);
        assertThat(Thread.interrupted()).isTrue();
        original.fed = 0;
        model.fed = 0;
        List<Scores> resumed = Scores.of(models(files), windows, new Work(1, Progress.NONE));
        assertThat(resumed).isEqualTo(whole);
        assertThat(resumed.getFirst().divergence()).isEqualTo(whole.getFirst().divergence());
        assertThat(model.fed).as("two windows of 19").isEqualTo(38);
        assertThat(original.fed).isEqualTo(38);
        files.delete();
        assertThat(folder).isEmptyDirectory();
        files.delete(); // again: nothing to do
    }

    @Test
    void damagedFileIsMeasuredAgain() throws IOException {
        WindowFiles files = new WindowFiles(folder.resolve("key"));
        List<Scores> whole = Scores.of(models(files), windows, new Work(1, Progress.NONE));
        Path file = folder.resolve("key/window-000002");
        Files.write(file, java.util.Arrays.copyOf(Files.readAllBytes(file), 100));
        model.fed = 0;
        assertThat(Scores.of(models(files), windows, new Work(1, Progress.NONE)))
                .isEqualTo(whole);
        assertThat(model.fed).isEqualTo(19);
    }

    @Test
    void scoresWithoutAnOriginalDoNotServeAComparison() throws IOException {
        WindowFiles files = new WindowFiles(folder.resolve("key"));
        Models alone = new Models(null, List.of(new Models.Measured(model, files)));
        Scores.of(alone, windows, new Work(1, Progress.NONE));
        model.fed = 0;
        Scores.of(models(files), windows, new Work(1, Progress.NONE));
        assertThat(model.fed).isEqualTo(6 * 19);
    }

    @Test
    void hashTellsWindowsApartByTokensCountsAndLeadingToken() {
        List<int[]> ids = List.of(new int[] {1, 2, 3, 4, 5, 6});
        int[] none = {};
        List<Windows> all = List.of(
                Windows.of(ids, none, Scoring.WHOLE_WINDOW),
                Windows.of(ids, none, Scoring.SECOND_HALF),
                Windows.of(ids, new int[] {0}, Scoring.WHOLE_WINDOW),
                Windows.of(List.of(new int[] {1, 2, 3, 4, 5, 7}), none, Scoring.WHOLE_WINDOW),
                Windows.of(List.of(new int[] {1, 2, 3}, new int[] {4, 5, 6}), none, Scoring.WHOLE_WINDOW));
        assertThat(all.stream().map(Windows::hash)).doesNotHaveDuplicates().allMatch(hash -> hash.length() == 64);
        assertThat(Windows.of(ids, none, Scoring.WHOLE_WINDOW).hash())
                .isEqualTo(all.getFirst().hash());
    }
}
