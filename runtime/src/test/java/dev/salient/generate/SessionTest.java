package dev.salient.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SessionTest {
    private static final ByteTokenizer BYTES = new ByteTokenizer();

    /** A model that continues the prompt with the answer, whatever it is fed. */
    private static ScriptedModel model(String prompt, String answer) {
        int[] all = BYTES.encode(prompt + answer);
        List<Integer> script = new ArrayList<>();
        Arrays.stream(all).skip(1).forEach(script::add);
        script.add(ByteTokenizer.END);
        return new ScriptedModel(BYTES.vocabSize(), script);
    }

    private static Ending ending(int most, String... stops) {
        return new Ending(most, Set.of(ByteTokenizer.END), List.of(stops));
    }

    private final List<String> pieces = new ArrayList<>();

    private Generation run(String prompt, String answer, Ending ending) {
        try (Session session = new Session(model(prompt, answer), BYTES, 100)) {
            return session.generate(BYTES.encode(prompt), Sampling.greedy(), ending, pieces::add);
        }
    }

    @Test
    void endTokenEndsTheTextAndIsNoPartOfIt() {
        Generation generation = run("Say: ", "hello", ending(50));
        assertThat(generation.text()).isEqualTo("hello");
        assertThat(generation.reason()).isEqualTo(FinishReason.STOP_TOKEN);
        assertThat(generation.ids()).hasSize(5).doesNotContain(ByteTokenizer.END);
        assertThat(generation.promptTokens()).isEqualTo(5);
        assertThat(pieces).containsExactly("h", "e", "l", "l", "o");
    }

    @Test
    void lengthEndsTheText() {
        assertThat(run("Say: ", "hello", ending(3)).text()).isEqualTo("hel");
        Generation none = run("Say: ", "hello", ending(0));
        assertThat(none.text()).isEmpty();
        assertThat(none.reason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void stopStringEndsTheTextAndNothingOfItIsHandedOut() {
        Generation generation = run("Q", "one\n\nUser: two", ending(50, "\nUser:", "three"));
        assertThat(generation.reason()).isEqualTo(FinishReason.STOP_STRING);
        assertThat(generation.text()).isEqualTo("one\n");
        assertThat(String.join("", pieces)).isEqualTo("one\n");
    }

    @Test
    void beginningOfAStopStringThatDoesNotComeIsHandedOut() {
        assertThat(run("Q", "a STOX b STO", ending(50, "STOP")).text()).isEqualTo("a STOX b STO");
        assertThat(pieces).contains("STOX");
    }

    @Test
    void characterOfSeveralTokensComesInOnePiece() {
        assertThat(run("Q", "é🙂!", ending(50)).text()).isEqualTo("é🙂!");
        assertThat(pieces).containsExactly("é", "🙂", "!");
    }

    @Test
    void characterThatIsCutOffByTheLengthComesAsReplacement() {
        assertThat(run("Q", "a🙂", ending(3)).text()).isEqualTo("a\uFFFD");
    }

    @Test
    void fullContextEndsTheText() {
        ScriptedModel model = model("12345", "6789abc");
        try (Session session = new Session(model, BYTES, 7)) {
            Generation generation = session.generate(BYTES.encode("12345"), Sampling.greedy(), ending(50), pieces::add);
            assertThat(generation.text()).isEqualTo("678");
            assertThat(generation.reason()).isEqualTo(FinishReason.CONTEXT);
            assertThatThrownBy(
                            () -> session.generate(BYTES.encode("12345678"), Sampling.greedy(), ending(1), pieces::add))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("prompt: got 8 tokens, want 1 to 7, the context");
        }
    }

    @Test
    void nextTurnFeedsOnlyWhatIsNew() {
        ScriptedModel model = model("ab", "cdef");
        try (Session session = new Session(model, BYTES, 50)) {
            session.generate(BYTES.encode("ab"), Sampling.greedy(), ending(2), pieces::add);
            assertThat(model.fed).containsExactly(List.of(97, 98), List.of(99));
            model.fed.clear();
            Generation second = session.generate(BYTES.encode("abcde"), Sampling.greedy(), ending(1), pieces::add);
            assertThat(second.reusedTokens()).isEqualTo(3);
            assertThat(model.fed).containsExactly(List.of(100, 101));
            model.fed.clear();
            Generation changed = session.generate(BYTES.encode("aXcde"), Sampling.greedy(), ending(1), pieces::add);
            assertThat(changed.reusedTokens()).isEqualTo(1);
            assertThat(model.fed).containsExactly(List.of(88, 99, 100, 101));
            model.fed.clear();
            session.generate(BYTES.encode("aXcde"), Sampling.greedy(), ending(1), pieces::add);
            assertThat(model.fed).containsExactly(List.of(101));
        }
    }

    @Test
    void interruptedThreadStopsBetweenTokens() {
        Thread.currentThread().interrupt();
        assertThatThrownBy(() -> run("Q", "abc", ending(50)))
                .isInstanceOf(CancellationException.class)
                .hasMessage("generation: interrupted");
        assertThat(Thread.interrupted()).isTrue();
    }

    static LongStream seeds() {
        return LongStream.range(0, 200);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void piecesJoinToTheTextBeforeTheFirstStopString(long seed) {
        Random random = new Random(seed);
        String answer = randomText(random, 1 + random.nextInt(30));
        List<String> stops = List.of(randomText(random, 1 + random.nextInt(3)), randomText(random, 2));
        Generation generation = run("Q", answer, new Ending(90, Set.of(ByteTokenizer.END), stops));
        int end = stops.stream()
                .mapToInt(answer::indexOf)
                .filter(at -> at >= 0)
                .min()
                .orElse(answer.length());
        assertThat(generation.text()).as("%s before %s", answer, stops).isEqualTo(answer.substring(0, end));
        assertThat(String.join("", pieces)).isEqualTo(generation.text());
    }

    private static String randomText(Random random, int length) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append(List.of("a", "b", "é", "🙂").get(random.nextInt(4)));
        }
        return text.toString();
    }

    @Test
    void endingsThatCannotBeAreRefused() {
        assertThatThrownBy(() -> ending(-1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("max tokens: got -1, want 0 or more");
        assertThatThrownBy(() -> ending(1, ""))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("stop string: got an empty one, want at least one character");
    }
}
