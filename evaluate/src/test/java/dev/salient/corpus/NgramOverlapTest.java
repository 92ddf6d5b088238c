package dev.salient.corpus;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class NgramOverlapTest {
    private static String words(int from, int to) {
        return String.join(" ", IntStream.range(from, to).mapToObj(i -> "w" + i).toList());
    }

    @Test
    void runsOfThirteenWordsAreFoundWhateverIsBetweenThem() {
        String text = "W1, w2 -- w3\n" + words(4, 31);
        assertThat(NgramOverlap.of(text, words(1, 31))).isEqualTo(new NgramOverlap(18, 18));
        assertThat(NgramOverlap.of(text, words(10, 25))).isEqualTo(new NgramOverlap(3, 18));
        assertThat(NgramOverlap.of(text, words(10, 22))).isEqualTo(new NgramOverlap(0, 18));
        assertThat(NgramOverlap.of(text, words(10, 25) + ". " + words(10, 25)))
                .as("each run once")
                .isEqualTo(new NgramOverlap(3, 18));
        assertThat(new NgramOverlap(3, 18).share()).isEqualTo(3 / 18.0);
        assertThat(NgramOverlap.of("too short", text).share()).isZero();
    }

    @Test
    void everyRunIsLookedForWhereItMayStand() {
        Random random = new Random(1);
        List<String> letters =
                random.ints(400, 0, 2).mapToObj(i -> "ab".substring(i, i + 1)).toList();
        List<String> others =
                random.ints(400, 0, 2).mapToObj(i -> "ab".substring(i, i + 1)).toList();
        String all = " " + String.join(" ", others) + " ";
        List<String> runs = IntStream.rangeClosed(0, 400 - 13)
                .mapToObj(i -> String.join(" ", letters.subList(i, i + 13)))
                .distinct()
                .toList();
        long found = runs.stream().filter(run -> all.contains(" " + run + " ")).count();
        assertThat(found).isBetween(5L, 300L);
        assertThat(NgramOverlap.of(String.join(" ", letters), String.join(" ", others)))
                .isEqualTo(new NgramOverlap((int) found, runs.size()));
    }
}
