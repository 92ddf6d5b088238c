package dev.salient.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CopyCheckTest {
    static LongStream seeds() {
        return LongStream.range(0, 50);
    }

    @Test
    void theLongestRunIsFoundWhateverItsPunctuation() {
        CopyCheck check = new CopyCheck(List.of("A b c d.", "One, two three \"Four\" five!\nSix seven."));
        CopyCheck.Result result = check.check(List.of("x ONE two three four. Five", "b c d", "six seven a b c d"), 5);
        assertThat(result).isEqualTo(new CopyCheck.Result(5, "one two three four five", 3, 1, 5));
    }

    @Test
    void aRunDoesNotGoOnIntoTheNextText() {
        CopyCheck check = new CopyCheck(List.of("a b c d", "e f g h"));
        assertThat(check.check(List.of("a b c d e f g h"), 5).longestRun()).isEqualTo(4);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void theLengthIsThatOfTheNaiveTwin(long seed) {
        Random random = new Random(seed);
        List<String> learned = List.of(text(random), text(random), text(random));
        String written = text(random);
        int naive = 0;
        List<String> words = Arrays.asList(written.split(" ", -1));
        for (int from = 0; from < words.size(); from++) {
            for (int end = from + 4; end <= words.size(); end++) {
                String run = " " + String.join(" ", words.subList(from, end)) + " ";
                if (learned.stream().anyMatch(text -> (" " + text + " ").contains(run))) {
                    naive = Math.max(naive, end - from);
                }
            }
        }
        assertThat(new CopyCheck(learned).check(List.of(written), 20).longestRun())
                .isEqualTo(naive);
    }

    private static String text(Random random) {
        return random.ints(60, 0, 3).mapToObj(i -> "w" + i).collect(Collectors.joining(" "));
    }
}
