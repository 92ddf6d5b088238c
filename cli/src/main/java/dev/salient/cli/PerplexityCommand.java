package dev.salient.cli;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.corpus.Corpus;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.measure.Divergence;
import dev.salient.measure.Models;
import dev.salient.measure.Scores;
import dev.salient.measure.Scoring;
import dev.salient.measure.ShortPieces;
import dev.salient.measure.WindowScores;
import dev.salient.measure.Windows;
import dev.salient.measure.Work;
import dev.salient.model.LanguageModel;
import dev.salient.model.PackedLanguageModel;
import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
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
                    + " it. Numbers of different windows or scorings don't compare.",
            "With --activations, --cache or --head the model rounds as it then would while it writes, but its original"
                    + " doesn't: --against the same model shows what the rounding costs."
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
            names = "--leading-tokens",
            paramLabel = "TOKENS",
            description =
                    "What each window begins with, control tokens among it. Default: the token that the tokenizer puts"
                            + " before a text, if any.")
    private @Nullable String leading;

    @Option(
            names = "--against",
            converter = ModelPath.class,
            paramLabel = "ORIGINAL",
            description = "Also KL divergence from this model, and how often both find the same token likeliest.")
    private @Nullable Path against;

    @Mixin
    private final PrecisionOptions precision = new PrecisionOptions();

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
        Scoring how = scoring();
        int threadCount = threads.threads();
        require(window > 1, "--window: got %d, want 2 or more", window);
        require(most > 0, "--windows: got %d, want 1 or more", most);
        try (Checkpoint checkpoint = model.open();
                PackedLanguageModel packed =
                        new PackedLanguageModel(checkpoint.weights(), threadCount, precision.precision())) {
            int context = packed.config().contextLength();
            Tokenizer tokenizer = checkpoint.expectTokenizer();
            int[] before = tokenizer.leadingTokens(leading);
            int largest = how.largestWindow(context, before.length);
            window = window == DEFAULT_WINDOW ? Math.min(window, largest) : window;
            TextOptions.requireFits(window, before.length, largest);
            List<int[]> ids = Corpus.read(text, tokenizer).adjacentWindows(window, most);
            String unused = EvaluationWarnings.findUnused(checkpoint, before);
            if (unused != null) {
                console.note("%s", unused);
            }
            Windows windows = Windows.of(ids, before, how);
            LanguageModel read = asItWrites(packed);
            Scores scores = against == null
                    ? measure(console, Models.of(read), windows)
                    : measureAgainst(console, against, read, windows);
            print(console, scores);
            console.result(json(scores));
        }
    }

    /** In pieces so short that all of {@code --activations} shows. */
    private LanguageModel asItWrites(LanguageModel packed) {
        int most = precision.precision().activations().mostTokens();
        return most < window ? new ShortPieces(packed, most) : packed;
    }

    private Scoring scoring() {
        try {
            return Scoring.of(scoring);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("--scoring: " + e.getMessage(), e);
        }
    }

    private Scores measureAgainst(Console console, Path original, LanguageModel model, Windows windows)
            throws IOException {
        try (Checkpoint checkpoint = Checkpoints.open(original);
                PackedLanguageModel packed = new PackedLanguageModel(checkpoint.weights(), threads.threads())) {
            return measure(console, Models.of(model, packed), windows);
        }
    }

    private Scores measure(Console console, Models models, Windows windows) throws IOException {
        try (Progress progress = console.progress("perplexity", "windows", windows.count())) {
            Work work = new Work(threads.threads(), (done, all, perplexity) -> {
                progress.note(String.format(Locale.ROOT, "%.3f so far", perplexity));
                progress.advance(1);
            });
            return Scores.of(models, windows, work).getFirst();
        }
    }

    private void print(Console console, Scores scores) {
        console.line(
                "perplexity %.4f over %s tokens (%d windows of %d, scoring %s)",
                scores.perplexity().value(),
                Words.count(scores.tokens()),
                scores.windows().size(),
                window,
                scoring);
        if (against != null) {
            Divergence divergence = scores.divergence();
            console.line("original   %.4f", scores.originalPerplexity().value());
            console.line(
                    "KL         %.5f nats a token from the original",
                    divergence.kl().mean().value());
            console.line(
                    "top-1      %.2f %% of tokens as the original finds likeliest",
                    100 * divergence.topOne().value());
        }
    }

    private ObjectNode json(Scores scores) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("perplexity", scores.perplexity().value());
        json.put("tokens", scores.tokens());
        json.put("window", window);
        json.put("windows", scores.windows().size());
        json.put("scoring", scoring);
        scores.windows().stream().map(WindowScores::meanNll).forEach(json.putArray("losses")::add);
        if (against != null) {
            Divergence divergence = scores.divergence();
            json.put("originalPerplexity", scores.originalPerplexity().value());
            json.put("kl", divergence.kl().mean().value());
            json.put("top1", divergence.topOne().value());
        }
        return json;
    }
}
