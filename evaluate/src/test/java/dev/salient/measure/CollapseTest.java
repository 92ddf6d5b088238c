package dev.salient.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CollapseTest {
    private static WrittenText text(String text, int... ids) {
        return new WrittenText("p", text, IntStream.of(ids).boxed().toList(), 0.3);
    }

    private static Collapse collapse(double promptLoss, WrittenText... drawn) {
        return new Collapse(List.of(), List.of(drawn), promptLoss, 10.8);
    }

    @Test
    void textThatIsAliveGivesNoReasons() {
        assertThat(collapse(4, text("a cat sat", 1, 2, 3, 4), text("on a mat", 5, 6, 7))
                        .reasons(null))
                .isEmpty();
    }

    @Test
    void greedyLoopsAreNoCollapse() {
        WrittenText loop = text("so so so so so", 1, 1, 1, 1, 1);
        assertThat(new Collapse(List.of(loop), List.of(text("a cat", 1, 2, 3)), 4, 10.8).reasons(null))
                .isEmpty();
    }

    @Test
    void signsOverAndOverAreACollapse() {
        assertThat(collapse(4, text("!!!!!", 1, 1, 1, 1, 1), text(" ", 2)).reasons(null))
                .containsExactly("2 of 2 texts are empty, or one sign over and over");
    }

    @Test
    void repetitionIsJudgedAgainstTheOriginals() {
        WrittenText loop = text("no no no", 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
        assertThat(loop.repeated()).isCloseTo(0.9, within(1e-12)); // 1 of 10 runs is new
        assertThat(collapse(4, loop).reasons(null)).containsExactly("90 % of a text repeats itself, want at most 50 %");
        assertThat(collapse(4, loop).reasons(collapse(4, loop))).isEmpty();
    }

    @Test
    void aPredictionWorseThanBlindIsACollapse() {
        assertThat(collapse(15.4, text("a cat", 1, 2, 3)).reasons(null))
                .containsExactly(
                        "plain English is predicted worse than by a blind guess: 15.4 nats a token, want less than 10.8");
    }

    @Test
    void entropyIsThatOfTheDefinition() {
        assertThat(EntropyMeter.entropy(new float[] {(float) Math.log(3), 0}))
                .isCloseTo(-0.75 * Math.log(0.75) - 0.25 * Math.log(0.25), within(1e-6));
        assertThat(EntropyMeter.entropy(new float[] {0, Float.NEGATIVE_INFINITY}))
                .isZero();
    }
}
