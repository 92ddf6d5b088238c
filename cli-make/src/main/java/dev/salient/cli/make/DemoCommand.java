package dev.salient.cli.make;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.cli.Command;
import dev.salient.cli.CommonOptions;
import dev.salient.cli.Console;
import dev.salient.cli.Progress;
import dev.salient.cli.ThreadsOption;
import dev.salient.cli.Words;
import dev.salient.corpus.Corpus;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.generate.Ending;
import dev.salient.generate.Sampling;
import dev.salient.generate.Session;
import dev.salient.measure.Models;
import dev.salient.measure.Scores;
import dev.salient.measure.Scoring;
import dev.salient.measure.Windows;
import dev.salient.measure.Work;
import dev.salient.model.PackedLanguageModel;
import dev.salient.pipeline.QuantizationRun;
import dev.salient.pipeline.RunSettings;
import dev.salient.pipeline.Target;
import dev.salient.report.ReportFolder;
import dev.salient.tokenizer.Tokenizer;
import dev.salient.torch.TorchDevice.Precision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The command {@code demo}. */
@CommandLine.Command(
        name = "demo",
        header = "Make the embedded model small, show what it cost, and let it speak.",
        description = "Quantizes the small model that comes with the program to 2 bits, its weights trained block"
                + " by block, loads the written folder, and measures that.")
final class DemoCommand implements Command {
    private static final String PROMPT = "Once upon a time";
    private static final int SPOKEN_TOKENS = 60;
    private static final int WINDOW = 256;
    private static final int WINDOWS = 16;

    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Mixin
    private final MethodOptions method = new MethodOptions();

    @Mixin
    private final ThreadsOption threads = new ThreadsOption();

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "Where to keep the models. Default: a folder that is deleted.")
    private @Nullable Path out;

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) throws IOException {
        Path folder = out == null ? Files.createTempDirectory("salient-demo") : out;
        try {
            demonstrate(console, folder);
        } finally {
            if (out == null) {
                delete(folder);
            }
        }
    }

    private void demonstrate(Console console, Path folder) throws IOException {
        require(
                method.preset().tuning() == null,
                "--preset: got one that tunes the whole model, which wants more text than comes along; want fast or paper");
        Path original = folder.resolve("original");
        Path small = folder.resolve("small");
        EmbeddedModel.unpack(original);
        RunSettings settings = new RunSettings(
                original,
                small,
                method.method(),
                Map.of(),
                null,
                0,
                Target.NONE,
                new RunSettings.Calibration(List.of(original.resolve(EmbeddedModel.CALIBRATION)), 16, WINDOW, 16),
                new RunSettings.Machine("cpu", Precision.HIGHEST, threads.threads(), 4L << 30, folder.resolve("cache")),
                0,
                false);
        QuantizationRun.Outcome outcome;
        try (ConsoleListener listener = new ConsoleListener(console)) {
            outcome = QuantizationRun.run(settings, listener);
        }
        ReportFolder.render(small);
        try (Checkpoint before = Checkpoints.open(original);
                Checkpoint after = Checkpoints.open(small);
                PackedLanguageModel large = new PackedLanguageModel(before.weights(), threads.threads());
                PackedLanguageModel tiny = new PackedLanguageModel(after.weights(), threads.threads())) {
            Tokenizer tokenizer = before.expectTokenizer();
            List<int[]> windows = Corpus.read(List.of(original.resolve(EmbeddedModel.EVALUATION)), tokenizer)
                    .adjacentWindows(WINDOW, WINDOWS);
            Scores scores = scores(
                    console,
                    Models.of(tiny, large),
                    Windows.of(windows, tokenizer.leadingTokens(), Scoring.WHOLE_WINDOW));
            double whole = scores.originalPerplexity().value();
            double quantized = scores.perplexity().value();
            double kl = scores.divergence().kl().mean().value();
            double agreement = scores.divergence().topOne().value();
            console.line("");
            console.line("                            original   quantized");
            console.line("bits per weight             %8.2f   %9.2f", 16.0, outcome.bitsPerWeight());
            console.line("perplexity, held-out text   %8.2f   %9.2f", whole, quantized);
            console.line("KL divergence, nats a token            %9.3f", kl);
            console.line("same likeliest token                   %8.1f%%", 100 * agreement);
            console.line("trained for                            %9s", Words.duration(outcome.trained()));
            speak(console, "the original", large, before);
            speak(console, "the quantized one", tiny, after);
            if (out != null) {
                console.line("%nkept: %s, %s", original, small);
            }
            result(console, outcome, new double[] {whole, quantized, kl, agreement});
        }
    }

    private Scores scores(Console console, Models models, Windows windows) throws IOException {
        try (Progress progress = console.progress("measure", "windows", windows.count())) {
            Work work = new Work(threads.threads(), (done, inAll, soFar) -> progress.advance(1));
            return Scores.of(models, windows, work).getFirst();
        }
    }

    private static void speak(Console console, String who, PackedLanguageModel model, Checkpoint checkpoint)
            throws IOException {
        Tokenizer tokenizer = checkpoint.expectTokenizer();
        console.line("");
        console.line("%s says:", who);
        console.text("  " + PROMPT);
        try (Session session = new Session(model, tokenizer, 2 * SPOKEN_TOKENS)) {
            Sampling sampling = new Sampling(0.7, 0.9, 0, 0, 1, 1);
            Ending ending = new Ending(SPOKEN_TOKENS, Set.copyOf(checkpoint.endTokens()), List.of());
            session.generate(tokenizer.encode(PROMPT), sampling, ending, console::text);
        }
        console.line("");
    }

    private static void result(Console console, QuantizationRun.Outcome outcome, double[] measures) {
        Duration trained = outcome.trained();
        console.result(new ObjectMapper()
                .createObjectNode()
                .put("bitsPerWeight", outcome.bitsPerWeight())
                .put("originalPerplexity", measures[0])
                .put("perplexity", measures[1])
                .put("kl", measures[2])
                .put("topOneAgreement", measures[3])
                .put("trainedSeconds", trained.toMillis() / 1e3));
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}
