package dev.salient.cli;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.corpus.Corpus;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.measure.Divergence;
import dev.salient.measure.Perplexity;
import dev.salient.measure.Scoring;
import dev.salient.measure.WindowLoss;
import dev.salient.model.LanguageModel;
import dev.salient.model.PackedLanguageModel;
import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The command {@code perplexity}: how well a model predicts a text, and how far it is from its original. */
@CommandLine.Command(
        name = "perplexity",
        header = "Measure how well a model predicts a text.",
        description = {
            "The text is cut into adjacent windows; every token of a window but its first is predicted from those before"
                    + " it. Numbers of different windows or scorings don't compare."
        })
final class PerplexityCommand implements Command {
    private static final int DEFAULT_WINDOW = 512;

    @Mixin
    private final ModelArgument model = new ModelArgument();

    @Option(
            names = "--text",
            required = true,
            arity = "1..*",
            paramLabel = "FILE",
            description = "UTF-8 text to measure on; several files are one text.")
    private List<Path> text = List.of();

    @Option(
            names = "--window",
            paramLabel = "N",
            description = "Tokens of a window. Default: 512, or the model's context where that is less.")
    private int window = DEFAULT_WINDOW;

    @Option(names = "--windows", paramLabel = "N", description = "Only the first N windows. Default: all that fit.")
    private int most = Integer.MAX_VALUE;

    @Option(
            names = "--scoring",
            paramLabel = "NAME",
            defaultValue = "hf",
            description = "hf: all tokens but a window's first; llama.cpp: a window's second half. Default: hf.")
    private String scoring = "hf";

    @Option(
            names = "--against",
            paramLabel = "ORIGINAL",
            description = "Also KL divergence from this model, and how often both find the same token likeliest.")
    private @Nullable Path against;

    @Mixin
    private final ThreadsOption threads = new ThreadsOption();

    @Mixin
    private final CommonOptions common = new CommonOptions();

    /** What both models read. */
    private record Reading(List<int[]> windows, OptionalInt leadingToken, Scoring scoring) {}

    /** The original's own perplexity, and the distance from it. */
    private record Comparison(double perplexity, Divergence divergence) {}

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) throws IOException {
        Scoring how = scoring();
        int threadCount = threads.threads();
        require(window > 1, "--window: got %d, want 2 or more", window);
        require(most > 0, "--windows: got %d, want 1 or more", most);
        try (Checkpoint checkpoint = model.open();
                PackedLanguageModel packed = new PackedLanguageModel(checkpoint.weights(), threadCount)) {
            int context = packed.config().contextLength();
            window = window == DEFAULT_WINDOW ? Math.min(window, context) : window;
            require(window <= context, "--window: got %d, want at most %d, the model's context", window, context);
            Tokenizer tokenizer = checkpoint.expectTokenizer();
            List<int[]> windows = Corpus.read(text, tokenizer).adjacentWindows(window, most);
            Reading reading = new Reading(windows, tokenizer.leadingToken(), how);
            Perplexity perplexity = measure(console, "perplexity", packed, reading);
            Comparison comparison = against == null ? null : compare(console, against, packed, reading);
            print(console, perplexity, comparison);
            console.result(json(perplexity, comparison));
        }
    }

    private Scoring scoring() {
        return switch (scoring) {
            case "hf" -> Scoring.WHOLE_WINDOW;
            case "llama.cpp" -> Scoring.SECOND_HALF;
            default -> throw new IllegalArgumentException("--scoring: got %s, want hf or llama.cpp".formatted(scoring));
        };
    }

    private Comparison compare(Console console, Path original, LanguageModel other, Reading reading)
            throws IOException {
        try (Checkpoint checkpoint = Checkpoints.open(original);
                PackedLanguageModel packed = new PackedLanguageModel(checkpoint.weights(), threads.threads())) {
            Divergence.Pair pair = new Divergence.Pair(packed, other); // says it before the long work if they don't fit
            Perplexity perplexity = measure(console, "original", packed, reading);
            List<int[]> windows = reading.windows();
            try (Progress progress = console.progress("divergence", "windows", windows.size())) {
                return new Comparison(
                        perplexity.perplexity(),
                        Divergence.of(pair, windows, reading.leadingToken(), (done, all, value) -> {
                            progress.note(String.format(Locale.ROOT, "KL %.4f so far", value));
                            progress.advance(1);
                        }));
            }
        }
    }

    private static Perplexity measure(Console console, String task, LanguageModel model, Reading reading) {
        List<int[]> windows = reading.windows();
        try (Progress progress = console.progress(task, "windows", windows.size())) {
            dev.salient.measure.Progress listener = (done, all, value) -> {
                progress.note(String.format(Locale.ROOT, "%.3f so far", value));
                progress.advance(1);
            };
            return switch (reading.scoring()) {
                case WHOLE_WINDOW -> Perplexity.of(model, windows, reading.leadingToken(), listener);
                case SECOND_HALF -> Perplexity.ofSecondHalves(model, windows, reading.leadingToken(), listener);
            };
        }
    }

    private void print(Console console, Perplexity perplexity, @Nullable Comparison comparison) {
        console.line(
                "perplexity %.4f over %s tokens (%d windows of %d, scoring %s)",
                perplexity.perplexity(),
                Words.count(perplexity.tokens()),
                perplexity.windows().size(),
                window,
                scoring);
        if (comparison != null) {
            Divergence divergence = comparison.divergence();
            console.line("original   %.4f", comparison.perplexity());
            console.line("KL         %.5f nats a token from the original", divergence.meanKl());
            console.line(
                    "top-1      %.2f %% of tokens as the original finds likeliest", 100 * divergence.topOneAgreement());
        }
    }

    private ObjectNode json(Perplexity perplexity, @Nullable Comparison comparison) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("perplexity", perplexity.perplexity());
        json.put("tokens", perplexity.tokens());
        json.put("window", window);
        json.put("windows", perplexity.windows().size());
        json.put("scoring", scoring);
        perplexity.windows().stream().map(WindowLoss::meanNll).forEach(json.putArray("losses")::add);
        if (comparison != null) {
            json.put("originalPerplexity", comparison.perplexity());
            json.put("kl", comparison.divergence().meanKl());
            json.put("top1", comparison.divergence().topOneAgreement());
        }
        return json;
    }
}
