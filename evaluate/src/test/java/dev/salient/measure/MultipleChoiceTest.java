package dev.salient.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.measure.Question.Choice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
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
    void logLikelihoodsAreThoseOfTheNaiveSumWhateverIsCached(int leading) throws IOException {
        BigramModel model = new BigramModel(VOCAB, 1);
        LetterTokenizer tokenizer = new LetterTokenizer(leading < 0 ? OptionalInt.empty() : OptionalInt.of(leading));
        List<Question> questions = List.of(
                question(0, "where is it", " here", " there", " here too"),
                question(1, "where was it ", " a", " b"),
                question(1, "x", "yz", "zy"));
        MultipleChoice result = MultipleChoice.of(model, tokenizer, questions, AnswerStore.NONE, Progress.NONE);
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
    void whatChoicesHaveInCommonIsReadOnce() throws IOException {
        BigramModel model = new BigramModel(VOCAB, 1);
        Question question = question(0, "abcdefgh", " x", " y", " z");
        MultipleChoice.of(
                model, new LetterTokenizer(OptionalInt.empty()), List.of(question), AnswerStore.NONE, Progress.NONE);
        assertThat(model.fed).isEqualTo(7 + 3 * 2); // the last letter again for each, and the blank
    }

    @Test
    void whatIsLongerThanTheContextLosesItsBeginning() throws IOException {
        BigramModel model = new BigramModel(VOCAB, 1); // its context holds 64
        LetterTokenizer tokenizer = new LetterTokenizer(OptionalInt.empty());
        String context = "a".repeat(40) + "b".repeat(40);
        MultipleChoice result = MultipleChoice.of(
                model, tokenizer, List.of(question(0, context, " x", " yyy")), AnswerStore.NONE, Progress.NONE);
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
                        AnswerStore.NONE,
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
                        AnswerStore.NONE,
                        (done, all, acc) -> Thread.currentThread().interrupt()))
                .isInstanceOf(CancellationException.class)
                .hasMessage("interrupted after 1 of 2 questions");
        assertThat(Thread.interrupted()).isTrue();
    }

    @Test
    void aStoppedMeasurementGoesOnWhereItWas(@TempDir Path folder) throws IOException {
        LetterTokenizer tokenizer = new LetterTokenizer(OptionalInt.empty());
        List<Question> questions =
                List.of(question(0, "abc", " b", " c"), question(0, "abcd", " b", " c"), question(1, "e", " f", " g"));
        BigramModel model = new BigramModel(VOCAB, 1);
        MultipleChoice whole = MultipleChoice.of(model, tokenizer, questions, AnswerStore.NONE, Progress.NONE);
        Path file = folder.resolve("new").resolve("answers");
        MultipleChoice.of(model, tokenizer, questions.subList(0, 2), AnswerFile.open(file), Progress.NONE);
        Files.writeString(file, "2 -0x1.8", StandardOpenOption.APPEND); // killed while it wrote
        BigramModel fresh = new BigramModel(VOCAB, 1);
        MultipleChoice resumed = MultipleChoice.of(fresh, tokenizer, questions, AnswerFile.open(file), Progress.NONE);
        assertThat(resumed).isEqualTo(whole);
        assertThat(fresh.fed).isEqualTo(2 * 2); // the last question alone
        assertThat(Files.readAllLines(file))
                .hasSize(3)
                .allMatch(line -> line.matches("\\d( -0x1\\.[0-9a-f]+p-?\\d+){2}"));
    }

    @Test
    void anAnswerOfAnotherQuestionIsNotTaken(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("answers");
        Files.writeString(file, "0 -1.0 -2.0\nnonsense\n1 -1.0\n");
        AnswerFile answers = AnswerFile.open(file);
        assertThat(answers.find(0, question(0, "a", "b", "c"))).containsExactly(-1.0, -2.0);
        assertThat(answers.find(0, question(0, "a", "b", "c", "d"))).isEmpty();
        assertThat(answers.find(1, question(0, "a", "b", "c"))).isEmpty();
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
