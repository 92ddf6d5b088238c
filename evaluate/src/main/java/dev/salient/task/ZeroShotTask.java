package dev.salient.task;

import dev.salient.format.FormatException;
import dev.salient.measure.PythonText;
import dev.salient.measure.Question;
import dev.salient.measure.Question.Choice;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The tasks by which small models are compared, with the prompts of lm-evaluation-harness.
 *
 * <p>A task's file has one JSON object a line: {@code choices}, {@code gold} (index of the right one, from 0), and what
 * the task asks.
 */
public enum ZeroShotTask {
    /** {@code Question: {question}\nAnswer:} and a solution. */
    PIQA,
    /** {@code Question: {question}\nAnswer:} and a choice. */
    ARC_EASY,
    /** As {@link #ARC_EASY}. */
    ARC_CHALLENGE,
    /** {@code {activity_label}: {ctx_a} {Ctx_b}} and an ending, without marks; only {@code ctx} where a row has no more. */
    HELLASWAG,
    /** The sentence with an option in its blank, up to there; what follows is the continuation of both. */
    WINOGRANDE,
    /** {@code {passage}\nQuestion: {question}?\nAnswer:} and no or yes. */
    BOOLQ,
    /** The question alone, and a choice. */
    OPENBOOKQA;

    private static final String DELIMITER = " ";
    private static final String PASSAGE = "Passage: ";
    private static final String BLANK = "_";
    private static final Pattern MARK = Pattern.compile("(?d)\\[.*?]"); // a dot is all but a line feed, as in Python

    /** The task of that name, as {@link #label()} writes it. */
    public static ZeroShotTask named(String name) {
        for (ZeroShotTask task : values()) {
            if (task.label().equals(name)) {
                return task;
            }
        }
        throw new IllegalArgumentException("task: got %s, want %s"
                .formatted(
                        name, Arrays.stream(values()).map(ZeroShotTask::label).collect(Collectors.joining(", "))));
    }

    /** Its name in lm-evaluation-harness. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * The first questions of the task's file.
     *
     * @param folder with {@code piqa.jsonl} or another file {@code piqa*.jsonl}, and so on
     * @param most questions; fewer where the file has fewer
     * @throws FormatException where a row is not what it should be
     */
    public List<Question> read(Path folder, int most) throws IOException {
        if (most < 1) {
            throw new IllegalArgumentException("items: got %d, want at least 1".formatted(most));
        }
        List<Question> questions = new ArrayList<>();
        for (TaskRow row : TaskFile.read(folder, label(), most)) {
            questions.add(question(row));
        }
        return questions;
    }

    private Question question(TaskRow row) throws FormatException {
        return switch (this) {
            case PIQA -> ask("Question: " + withoutLineEnd(row.text("question")) + "\nAnswer:", row);
            case ARC_EASY, ARC_CHALLENGE -> ask("Question: " + row.text("question") + "\nAnswer:", row);
            case OPENBOOKQA -> ask(row.text("question"), row);
            case BOOLQ -> ask(passage(row) + "\nAnswer:", row);
            case HELLASWAG -> ask(withoutMarks(scene(row)), row);
            case WINOGRANDE -> fillBlank(row);
        };
    }

    private Question ask(String context, TaskRow row) throws FormatException {
        List<Choice> choices = new ArrayList<>();
        for (String text : row.choices()) {
            String choice = this == HELLASWAG ? withoutMarks(text) : text;
            choices.add(new Choice(context, DELIMITER + choice, PythonText.length(choice)));
        }
        return new Question(choices, row.gold());
    }

    /** The file's goals end in a line feed that those of the data set itself don't have. */
    private static String withoutLineEnd(String text) {
        return text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
    }

    /** The harness puts no word before a passage; the file's rows have one. */
    private static String passage(TaskRow row) throws FormatException {
        String query = row.text("query");
        return query.startsWith(PASSAGE) ? query.substring(PASSAGE.length()) : query;
    }

    private static String scene(TaskRow row) throws FormatException {
        return row.has("ctx_a")
                ? row.text("activity_label") + ": " + row.text("ctx_a") + " "
                        + PythonText.capitalize(row.textOrEmpty("ctx_b"))
                : row.text("ctx");
    }

    private static String withoutMarks(String text) {
        String titled = PythonText.strip(text).replace(" [title]", ". ");
        return MARK.matcher(titled).replaceAll("").replace("  ", " ");
    }

    /** Both choices continue alike: what counts is which context makes the rest likelier. */
    private static Question fillBlank(TaskRow row) throws FormatException {
        String sentence = row.text("sentence");
        int blank = sentence.indexOf(BLANK);
        if (blank < 0 || sentence.substring(blank + 1).isBlank()) {
            throw row.wrong("sentence", "a " + BLANK + " with words after it");
        }
        String rest = DELIMITER + PythonText.strip(sentence.substring(blank + 1));
        List<Choice> choices = new ArrayList<>();
        for (String option : row.choices()) {
            String context = sentence.substring(0, blank) + option;
            choices.add(new Choice(context, rest, PythonText.length(context)));
        }
        return new Question(choices, row.gold());
    }
}
