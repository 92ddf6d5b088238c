package dev.salient.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.FormatException;
import dev.salient.measure.Question;
import dev.salient.measure.Question.Choice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ZeroShotTaskTest {
    @TempDir
    private Path folder;

    private Question only(ZeroShotTask task, String row) throws IOException {
        Files.writeString(folder.resolve(task.label() + ".jsonl"), row + "\n");
        List<Question> questions = task.read(folder, 10);
        assertThat(questions).hasSize(1);
        return questions.getFirst();
    }

    @Test
    void piqaAsksForASolutionWithoutTheFilesLineEnd() throws IOException {
        assertThat(only(ZeroShotTask.PIQA, """
                {"question": "boil an egg\\n", "choices": ["in water", "in sand"], "gold": 0}"""))
                .isEqualTo(new Question(
                        List.of(
                                new Choice("Question: boil an egg\nAnswer:", " in water", 8),
                                new Choice("Question: boil an egg\nAnswer:", " in sand", 7)),
                        0));
    }

    @ParameterizedTest
    @EnumSource(names = {"ARC_EASY", "ARC_CHALLENGE"})
    void arcAsksForAnAnswer(ZeroShotTask task) throws IOException {
        assertThat(only(task, """
                {"question": "What is red?", "choices": ["a rose", "the sky", "caf\\u00e9"], "gold": 0}"""))
                .isEqualTo(new Question(
                        List.of(
                                new Choice("Question: What is red?\nAnswer:", " a rose", 6),
                                new Choice("Question: What is red?\nAnswer:", " the sky", 7),
                                new Choice("Question: What is red?\nAnswer:", " caf\u00e9", 4)),
                        0));
    }

    @Test
    void openBookQaGivesTheQuestionAlone() throws IOException {
        assertThat(only(ZeroShotTask.OPENBOOKQA, """
                {"question": "Fog comes from", "choices": ["a marsh", "a desert"], "gold": 1}"""))
                .isEqualTo(new Question(
                        List.of(
                                new Choice("Fog comes from", " a marsh", 7),
                                new Choice("Fog comes from", " a desert", 8)),
                        1));
    }

    @Test
    void boolQGivesThePassageWithoutTheFilesWordBeforeIt() throws IOException {
        String context = "Salt melts ice.\nQuestion: does salt melt ice?\nAnswer:";
        assertThat(only(ZeroShotTask.BOOLQ, """
                {"query": "Passage: Salt melts ice.\\nQuestion: does salt melt ice?", "choices": ["no", "yes"], "gold": 1}"""))
                .isEqualTo(new Question(List.of(new Choice(context, " no", 2), new Choice(context, " yes", 3)), 1));
    }

    @Test
    void hellaSwagTakesMarksOutOfContextAndEndings() throws IOException {
        String context = "How to sit. Find a chair. Look around";
        assertThat(only(ZeroShotTask.HELLASWAG, """
                {"ctx": " [header] How to sit [title] Find a chair. [step] Look around ",
                "choices": ["[substeps] Then sit.", "and run [away]"], "gold": 0}""".replace("\n", " ")))
                .isEqualTo(new Question(
                        // the harness strips before it takes marks out: the blank after a leading one stays
                        List.of(
                                new Choice(" " + context, "  Then sit.", 10),
                                new Choice(" " + context, " and run ", 8)),
                        0));
    }

    @Test
    void hellaSwagJoinsTheFieldsOfTheDataSetItself() throws IOException {
        Question question = only(ZeroShotTask.HELLASWAG, """
                {"activity_label": "Rowing", "ctx_a": "A boat lies there.", "ctx_b": "a MAN", "ctx": "not this",
                "choices": ["rows.", "sleeps."], "gold": 0}""".replace("\n", " "));
        assertThat(question.choices().getFirst())
                .isEqualTo(new Choice("Rowing: A boat lies there. A man", " rows.", 5));
    }

    @Test
    void winoGrandePutsTheOptionsIntoTheContext() throws IOException {
        assertThat(only(ZeroShotTask.WINOGRANDE, """
                {"sentence": "Ann paid Eve because _ was in debt. ", "choices": ["Ann", "Eve"], "gold": 0}"""))
                .isEqualTo(new Question(
                        List.of(
                                new Choice("Ann paid Eve because Ann", " was in debt.", 24),
                                new Choice("Ann paid Eve because Eve", " was in debt.", 24)),
                        0));
    }

    @Test
    void onlyTheFirstRowsAreReadAndBlankLinesAreNone() throws IOException {
        String row = """
                {"question": "%s", "choices": ["x", "y"], "gold": 0}
                """;
        Files.writeString(
                folder.resolve("openbookqa.jsonl"),
                row.formatted("one") + "\r\n\n" + row.formatted("two") + "broken, but never read");
        assertThat(ZeroShotTask.OPENBOOKQA.read(folder, 2))
                .extracting(question -> question.choices().getFirst().context())
                .containsExactly("one", "two");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"choices\": [\"a\", \"b\"], \"gold\": 0} | question: got nothing, want a text",
                "{\"question\": \" \", \"choices\": [\"a\", \"b\"], \"gold\": 0} | question: got \" \", want a text",
                "{\"question\": 7, \"choices\": [\"a\", \"b\"], \"gold\": 0} | question: got 7, want a string",
                "{\"question\": \"q\", \"gold\": 0} | choices: got nothing, want a list of at least 2 texts",
                "{\"question\": \"q\", \"choices\": [\"a\"], \"gold\": 0} | choices: got [\"a\"], want a list of at least 2 texts",
                "{\"question\": \"q\", \"choices\": [\"a\", 1], \"gold\": 0} | choices: got [\"a\",1], want a list of at least 2 texts",
                "{\"question\": \"q\", \"choices\": [\"a\", \"b\"]} | gold: got nothing, want an integer",
                "{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"gold\": 2} | gold: got 2, want 0 to 1, the index of a choice",
                "{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"gold\": -1} | gold: got -1, want 0 to 1, the index of a choice",
                "{\"question\" | got broken JSON at line 1, column 12, want a JSON object",
                "[1] | got something else, want a JSON object",
            })
    void aBrokenRowIsNamedByFileLineAndField(String row, String message) throws IOException {
        String good = "{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"gold\": 0}\n";
        Files.writeString(folder.resolve("openbookqa.jsonl"), good + row);
        assertThatThrownBy(() -> ZeroShotTask.OPENBOOKQA.read(folder, 10))
                .isInstanceOf(FormatException.class)
                .hasMessage("openbookqa.jsonl: line 2: " + message);
    }

    @Test
    void aSentenceWithoutABlankIsRefused() {
        assertThatThrownBy(() -> only(
                        ZeroShotTask.WINOGRANDE,
                        "{\"sentence\": \"no gap\", \"choices\": [\"a\", \"b\"], \"gold\": 0}"))
                .isInstanceOf(FormatException.class)
                .hasMessage("winogrande.jsonl: line 1: sentence: got \"no gap\", want a _ with words after it");
    }

    @Test
    void aMissingAndAnEmptyFileAreRefused() throws IOException {
        assertThatThrownBy(() -> ZeroShotTask.PIQA.read(folder, 1))
                .isInstanceOf(FormatException.class)
                .hasMessage(folder + ": got 0 files piqa*.jsonl, want piqa.jsonl");
        Files.writeString(folder.resolve("piqa.jsonl"), "\n");
        assertThatThrownBy(() -> ZeroShotTask.PIQA.read(folder, 1))
                .isInstanceOf(FormatException.class)
                .hasMessage("piqa.jsonl: got no rows, want at least one");
    }

    @Test
    void anUnknownTaskIsAnsweredWithAllNames() {
        assertThat(ZeroShotTask.named("arc_easy")).isEqualTo(ZeroShotTask.ARC_EASY);
        assertThatThrownBy(() -> ZeroShotTask.named("mmlu"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "task: got mmlu, want piqa, arc_easy, arc_challenge, hellaswag, winogrande, boolq, openbookqa");
    }
}
