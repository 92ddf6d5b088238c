package dev.salient.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.measure.Question.Choice;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MultipleChoiceTest {
    private static final int VOCAB = 128;

    private static Question question(int right, String context, String... continuations) {
        List<Choice> choices = new ArrayList<>();
        for (String continuation : continuations) {
            choices.add(new Choice(context, continuation, continuation.length()));
        }
        return new Question(choices, right);
    }

    /** All tokens one after the other, the softmax as it is defined. */
    private static double naive(BigramModel model, int[] ids, int first) {
        double sum = 0;
        for (int at = first; at < ids.length; at++) {
            float[] logits = model.logits(ids[at - 1], at - 1);
            double all = 0;
            for (float logit : logits) {
                all += Math.exp(logit);
            }
            sum += Math.log(Math.exp(logits[ids[at]]) / all);
        }
        return sum;
    }

    @ParameterizedTest(name = "leading token {0}")
    @CsvSource({"-1", "3"})
    void logLikelihoodsAreThoseOfTheNaiveSumWhateverIsCached(int leading) {
        BigramModel model = new BigramModel(VOCAB, 1);
        LetterTokenizer tokenizer = new LetterTokenizer(leading < 0 ? OptionalInt.empty() : OptionalInt.of(leading));
        List<Question> questions = List.of(
                question(0, "where is it", " here", " there", " here too"),
                question(1, "where was it ", " a", " b"),
                question(1, "x", "yz", "zy"));
        MultipleChoice result = MultipleChoice.of(model, tokenizer, questions, Progress.NONE);
        for (Answer answer : result.answers()) {
            for (int c = 0; c < answer.logLikelihoods().size(); c++) {
                Choice choice = answer.question().choices().get(c);
                int first = choice.context().stripTrailing().length() + (leading < 0 ? 0 : 1);
                int[] ids = tokenizer.framed(choice.context() + choice.continuation());
                assertThat(answer.logLikelihoods().get(c)).isCloseTo(naive(model, ids, first), within(1e-9));
            }
        }
    }

    @Test
    void whatChoicesHaveInCommonIsReadOnce() {
        BigramModel model = new BigramModel(VOCAB, 1);
        Question question = question(0, "abcdefgh", " x", " y", " z");
        MultipleChoice.of(model, new LetterTokenizer(OptionalInt.empty()), List.of(question), Progress.NONE);
        assertThat(model.fed).isEqualTo(7 + 3 * 2); // the last letter again for each, and the blank
    }

    @Test
    void whatIsLongerThanTheContextLosesItsBeginning() {
        BigramModel model = new BigramModel(VOCAB, 1); // its context holds 64
        LetterTokenizer tokenizer = new LetterTokenizer(OptionalInt.empty());
        String context = "a".repeat(40) + "b".repeat(40);
        MultipleChoice result =
                MultipleChoice.of(model, tokenizer, List.of(question(0, context, " x", " yyy")), Progress.NONE);
        String kept = context.substring(80 + 2 - 1 - 64) + " x";
        assertThat(result.answers().getFirst().logLikelihoods().getFirst())
                .isCloseTo(naive(model, tokenizer.encode(kept), kept.length() - 2), within(1e-9));
    }

    @Test
    void aContinuationLongerThanTheContextIsRefused() {
        assertThatThrownBy(() -> MultipleChoice.of(
                        new BigramModel(VOCAB, 1),
                        new LetterTokenizer(OptionalInt.empty()),
                        List.of(question(0, "a", "b".repeat(65), "c")),
                        Progress.NONE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("continuation: got 65 tokens, want at most 64, the model's context");
    }

    @Test
    void accuracyIsByLikelihoodAndByLikelihoodACharacter() {
        Question question = new Question(List.of(new Choice("q", " aa", 2), new Choice("q", " bbbb", 4)), 1);
        Question equal = new Question(List.of(new Choice("q", " a", 1), new Choice("q", " b", 1)), 0);
        MultipleChoice result = new MultipleChoice(List.of(
                new Answer(question, List.of(-3.0, -4.0)), // -1.5 and -1 a character
                new Answer(question, List.of(-4.0, -3.0)),
                new Answer(question, List.of(-1.0, -9.0)),
                new Answer(equal, List.of(-2.0, -2.0)))); // the first of equal ones
        assertThat(result.acc()).isEqualTo(0.5);
        assertThat(result.accNorm()).isEqualTo(0.75);
        // the sample's standard deviation over the square root of 4, as the harness computes it
        assertThat(result.accStandardError()).isCloseTo(Math.sqrt(4 * 0.25 / 3) / 2, within(1e-12));
        assertThat(result.accNormStandardError()).isCloseTo(Math.sqrt((3 * 0.0625 + 0.5625) / 3) / 2, within(1e-12));
    }

    @Test
    void anInterruptedRunSaysHowFarItCame() {
        List<Question> questions = List.of(question(0, "a", " b", " c"), question(0, "a", " b", " c"));
        assertThatThrownBy(() -> MultipleChoice.of(
                        new BigramModel(VOCAB, 1),
                        new LetterTokenizer(OptionalInt.empty()),
                        questions,
                        (done, all, acc) -> Thread.currentThread().interrupt()))
                .isInstanceOf(CancellationException.class)
                .hasMessage("questions: interrupted after 1 of 2 windows");
        assertThat(Thread.interrupted()).isTrue();
    }

    @Test
    void questionsCheckThemselves() {
        assertThatThrownBy(() -> new Question(List.of(new Choice("a", "b", 1)), 0))
                .hasMessage("choices: got 1, want at least 2");
        assertThatThrownBy(() -> question(2, "a", "b", "c")).hasMessage("right choice: got 2, want 0 to 1");
        assertThatThrownBy(() -> new Choice(" ", "b", 1)).hasMessage("choice: got a blank context, want text");
        assertThatThrownBy(() -> new Choice("a", "", 1)).hasMessage("choice: got a blank continuation, want text");
        assertThatThrownBy(() -> new MultipleChoice(List.of())).hasMessage("questions: got none, want at least one");
    }
}
