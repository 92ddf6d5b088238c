package dev.salient.cli;

import static dev.salient.tensor.Preconditions.require;
import static java.nio.charset.StandardCharsets.UTF_8;

import dev.salient.format.Checkpoint;
import dev.salient.measure.AnswerFile;
import dev.salient.measure.Collapse;
import dev.salient.measure.Evaluation;
import dev.salient.measure.MultipleChoice;
import dev.salient.measure.Question;
import dev.salient.measure.Speed;
import dev.salient.measure.WrittenText;
import dev.salient.model.LanguageModel;
import dev.salient.task.ZeroShotTask;
import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What {@code evaluate} measures beside a text: zero-shot tasks, what a model writes, its speed; a picocli mixin. */
final class MoreMeasures {
    private static final String ALL = "all";
    private static final int SPEED_PROMPT = 128;
    private static final int SPEED_TOKENS = 64;
    private static final int SPEED_RUNS = 3;

    @Option(
            names = "--tasks",
            split = ",",
            paramLabel = "NAME",
            description =
                    "Zero-shot tasks: piqa, arc_easy, arc_challenge, hellaswag, winogrande, boolq, openbookqa, or all.")
    private List<String> tasks = List.of();

    @Option(
            names = "--task-data",
            paramLabel = "DIR",
            description = "The folder with the tasks' files: piqa.jsonl and so on.")
    private @Nullable Path data;

    @Option(names = "--items", paramLabel = "N", description = "Only the first N items of each task. Default: all.")
    private int items = Integer.MAX_VALUE;

    @Option(
            names = "--generate",
            description = "Let each model write after some plain openings, and say whether it has collapsed.")
    private boolean generates;

    @Option(names = "--speed", description = "Also how fast each model reads and writes, as the command bench has it.")
    private boolean speed;

    /** The items of the tasks that were asked for; what is wrong with options or files is said before the long work. */
    Map<ZeroShotTask, List<Question>> readTasks() throws IOException {
        require(items > 0, "--items: got %d, want 1 or more", items);
        Map<ZeroShotTask, List<Question>> questions = new LinkedHashMap<>();
        if (tasks.isEmpty()) {
            return questions;
        }
        if (data == null) {
            throw new IllegalArgumentException(
                    "--tasks: got no --task-data, want the folder with the tasks' files, as in --task-data data/tasks");
        }
        Stream<ZeroShotTask> asked = tasks.equals(List.of(ALL))
                ? Stream.of(ZeroShotTask.values())
                : tasks.stream().map(ZeroShotTask::named);
        for (ZeroShotTask task : asked.distinct().toList()) {
            questions.put(task, task.read(data, items));
        }
        return questions;
    }

    /**
     * A model that can be asked.
     *
     * @param name of its folder or file
     */
    record Subject(String name, LanguageModel model, Tokenizer tokenizer) {
        static Subject of(OpenModels.OpenModel open) throws IOException {
            Checkpoint checkpoint = open.checkpoint();
            return new Subject(open.name(), open.model(), checkpoint.expectTokenizer());
        }
    }

    /**
     * Asks a model all questions.
     *
     * @param kept the folder where its answers are kept until the evaluation is done
     */
    static List<Evaluation.Task> answers(
            Console console, Subject subject, Map<ZeroShotTask, List<Question>> questions, Path kept)
            throws IOException {
        List<Evaluation.Task> results = new ArrayList<>();
        for (Map.Entry<ZeroShotTask, List<Question>> task : questions.entrySet()) {
            String label = task.getKey().label();
            AnswerFile store = AnswerFile.open(kept.resolve(label + "-" + hash(task.getValue())));
            try (Progress progress = console.progress(
                    subject.name + " " + label, "items", task.getValue().size())) {
                MultipleChoice result = MultipleChoice.of(
                        subject.model, subject.tokenizer, task.getValue(), store, (done, all, value) -> {
                            progress.note(String.format(Locale.ROOT, "%.1f %% right so far", 100 * value));
                            progress.advance(1);
                        });
                results.add(new Evaluation.Task(
                        label,
                        result.answers().size(),
                        result.acc(),
                        result.accStandardError(),
                        result.accNorm(),
                        result.accNormStandardError()));
            }
        }
        return results;
    }

    private static String hash(List<Question> questions) {
        Sha256 hash = new Sha256();
        for (Question question : questions) {
            for (Question.Choice choice : question.choices()) {
                hash.with((choice.context() + '\0' + choice.continuation() + '\0').getBytes(UTF_8));
            }
        }
        return hash.hex();
    }

    /** What a model writes; null where nobody asked. */
    @Nullable
    Collapse findTexts(Console console, @Nullable Subject subject) {
        if (!generates || subject == null) {
            return null;
        }
        try (Progress progress = console.progress(subject.name + " writes", "texts", Collapse.PROMPTS.size())) {
            return Collapse.of(subject.model, subject.tokenizer, (done, all, repeatedShare) -> progress.advance(1));
        }
    }

    /** The verdict, and what was drawn side by side with the original's. */
    static Evaluation.@Nullable Generation verdict(@Nullable Collapse texts, @Nullable Collapse original) {
        if (texts == null) {
            return null;
        }
        List<String> reasons = texts.reasons(original);
        List<Evaluation.Sample> samples = IntStream.range(0, texts.drawn().size())
                .mapToObj(i -> {
                    WrittenText own = texts.drawn().get(i);
                    String before =
                            original == null ? null : original.drawn().get(i).text();
                    return new Evaluation.Sample(own.prompt(), own.text(), before);
                })
                .toList();
        return new Evaluation.Generation(!reasons.isEmpty(), reasons, samples);
    }

    /** How fast a model is; null where nobody asked. */
    Evaluation.@Nullable Rates findRates(Console console, Subject subject, int threads) {
        if (!speed) {
            return null;
        }
        int generated = Math.min(SPEED_TOKENS, subject.model.config().contextLength() / 2);
        int prompt = Math.min(SPEED_PROMPT, subject.model.config().contextLength() - generated);
        Speed.Plan plan = new Speed.Plan(prompt, generated, 1, SPEED_RUNS);
        try (Progress progress = console.progress(subject.name + " speed", "runs", plan.runs() + 1L)) {
            Speed measured = Speed.of(subject.model, plan, (done, all, value) -> progress.advance(1));
            return new Evaluation.Rates(measured.prefill(), measured.decode(), threads);
        }
    }
}
