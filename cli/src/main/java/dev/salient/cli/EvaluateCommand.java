package dev.salient.cli;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.json.JsonFiles;
import dev.salient.measure.Collapse;
import dev.salient.measure.Evaluation;
import dev.salient.measure.EvaluationJson;
import dev.salient.measure.Models;
import dev.salient.measure.Question;
import dev.salient.measure.Scores;
import dev.salient.measure.WindowFiles;
import dev.salient.measure.Work;
import dev.salient.report.ReportFolder;
import dev.salient.task.ZeroShotTask;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command {@code evaluate}: all measures of one or more models, with their uncertainty. */
@CommandLine.Command(
        name = "evaluate",
        header = "Measure models, and how far they are from their original.",
        description = {
            "Every number comes with its 95 %% interval. Of several models it says which can be told apart.",
            "A command that was stopped goes on where it was when it is given again.",
            "In a folder that quantize wrote, the result is kept as evaluation.json."
        })
final class EvaluateCommand implements Command {
    @Parameters(
            arity = "1..*",
            paramLabel = "MODEL",
            description =
                    "Hugging Face folders (dense, AWQ, AQLM, or GPTQ with or without an adapter), GGUF files, or ORG/NAME of"
                            + " models that pull fetched.")
    private List<String> sources = List.of(); // a converter's failure would not be said for any but the first

    private List<Path> paths = List.of();

    @Option(
            names = "--against",
            paramLabel = "ORIGINAL",
            converter = ModelPath.class,
            description = "Compare every MODEL with this one.")
    private @Nullable Path against;

    @Mixin
    private final TextOptions text = new TextOptions();

    @Option(
            names = "--calibration",
            paramLabel = "FILE",
            description = "A text that a MODEL was calibrated on, to look for overlap; may be given more than once.")
    private List<Path> calibration = List.of();

    @Option(
            names = "--save",
            paramLabel = "DIR",
            description = "Write DIR/NAME.evaluation.json for each MODEL instead of evaluation.json into its run.")
    private @Nullable Path save;

    @Option(
            names = "--cache",
            paramLabel = "DIR",
            description =
                    "Where finished windows and answers are kept until all are done. Default: the user's cache folder.")
    private Path cache = CacheFolder.path();

    @Mixin
    private final MoreMeasures more = new MoreMeasures();

    @Mixin
    private final ThreadsOption threads = new ThreadsOption();

    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) throws IOException {
        int threadCount = threads.threads();
        text.check();
        paths = ModelPath.findAll(sources);
        requireDifferentNames();
        Map<ZeroShotTask, List<Question>> questions = more.readTasks();
        if (save != null) {
            Files.createDirectories(save); // before the long work, if it can't be
        }
        try (OpenModels open = OpenModels.open(paths, against, threadCount)) {
            EvaluationText read = EvaluationText.read(text, open);
            List<WindowFiles> files = open.all().stream()
                    .map(model -> new WindowFiles(cache.resolve("evaluation")
                            .resolve(open.key(model, read.windows().hash()))))
                    .toList();
            EvaluationWarnings checks = new EvaluationWarnings(open, read, calibration);
            List<List<String>> warnings = new ArrayList<>();
            for (OpenModels.OpenModel model : open.all()) {
                warnings.add(new ArrayList<>(checks.of(model)));
            }
            checks.notes().forEach(note -> console.note("%s", note));
            List<Scores> scores = scores(console, open, read, files);
            List<Comparison> comparisons = Comparison.ofAll(open.names(), scores);
            List<Evaluation> evaluations = new ArrayList<>();
            Collapse originalTexts = more.findTexts(console, subject(open.original()));
            for (int m = 0; m < scores.size(); m++) {
                warnings.get(m)
                        .addAll(Comparison.warnings(comparisons, open.names().get(m)));
                OpenModels.OpenModel own = open.all().get(m);
                MoreMeasures.Subject subject = MoreMeasures.Subject.of(own);
                Collapse texts = open.isOriginal(own) ? originalTexts : more.findTexts(console, subject);
                Further further = new Further(
                        MoreMeasures.answers(
                                console, subject, questions, files.get(m).folder()),
                        MoreMeasures.verdict(texts, originalTexts),
                        more.findRates(console, subject, threadCount),
                        warnings.get(m));
                evaluations.add(evaluation(open, read, m, scores.get(m), further));
            }
            EvaluationTable.print(console, evaluations, scores, comparisons);
            save(console, evaluations);
            console.result(json(evaluations, comparisons));
            for (WindowFiles done : files) {
                done.delete();
            }
        }
    }

    private void requireDifferentNames() {
        Set<String> names = new HashSet<>();
        for (Path path : paths) {
            String name = OpenModels.name(path);
            require(names.add(name), "%s: got a second model of the name %s, want names that differ", path, name);
        }
    }

    private List<Scores> scores(Console console, OpenModels open, EvaluationText read, List<WindowFiles> files)
            throws IOException {
        List<Models.Measured> measured = new ArrayList<>();
        for (int m = 0; m < files.size(); m++) {
            measured.add(new Models.Measured(open.all().get(m).model(), files.get(m)));
        }
        OpenModels.OpenModel original = open.original();
        Models models = new Models(original == null ? null : original.model(), measured);
        try (Progress progress =
                console.progress("evaluate", "windows", read.windows().count())) {
            Work work = new Work(threads.threads(), (done, all, perplexity) -> {
                progress.note(String.format(Locale.ROOT, "perplexity %.3f so far", perplexity));
                progress.advance(1);
            });
            return Scores.of(models, read.windows(), work);
        }
    }

    private static MoreMeasures.@Nullable Subject subject(OpenModels.@Nullable OpenModel open) throws IOException {
        return open == null ? null : MoreMeasures.Subject.of(open);
    }

    /** All that is known of a model beside its scores on the text. */
    private record Further(
            List<Evaluation.Task> tasks,
            Evaluation.@Nullable Generation generation,
            Evaluation.@Nullable Rates rates,
            List<String> warnings) {}

    private static Evaluation evaluation(
            OpenModels open, EvaluationText read, int index, Scores scores, Further further) throws IOException {
        OpenModels.OpenModel original = open.original();
        return new Evaluation(
                open.all().get(index).subject(original == null ? null : original.name()),
                read.description(),
                scores.perplexity(),
                original == null ? null : scores.divergence(),
                further.tasks,
                further.generation,
                further.rates,
                further.warnings,
                scores.seconds());
    }

    private void save(Console console, List<Evaluation> evaluations) throws IOException {
        for (int m = 0; m < paths.size(); m++) {
            Path file = null;
            if (save != null) {
                file = save.resolve(evaluations.get(m).subject().name() + ".evaluation.json");
            } else if (OpenModels.isRun(paths.get(m))) {
                file = paths.get(m).resolve("evaluation.json");
            }
            if (file != null) {
                JsonFiles.write(file, EvaluationJson.of(evaluations.get(m)));
                console.note("written: %s", file);
            }
            if (save == null && file != null) {
                console.note("report: %s", ReportFolder.render(paths.get(m)));
            }
        }
    }

    private static ObjectNode json(List<Evaluation> evaluations, List<Comparison> comparisons) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        ArrayNode array = json.putArray("evaluations");
        evaluations.stream().map(EvaluationJson::of).forEach(array::add);
        if (evaluations.size() > 1) {
            comparisons.stream().map(Comparison::toJson).forEach(json.putArray("comparisons")::add);
        }
        return json;
    }
}
