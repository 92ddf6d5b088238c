package dev.salient.cli.make;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.cli.Command;
import dev.salient.cli.CommonOptions;
import dev.salient.cli.Console;
import dev.salient.cli.ModelPath;
import dev.salient.cli.SeedOption;
import dev.salient.method.Preservation;
import dev.salient.method.Tuning;
import dev.salient.method.Tuning.CodeSteps;
import dev.salient.pipeline.RunSettings;
import dev.salient.pipeline.TuneRun;
import dev.salient.report.ReportFolder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command {@code tune}. */
@CommandLine.Command(
        name = "tune",
        header = "Tune a quantized model end to end, towards the original's next-token distributions.",
        description =
                "Takes a folder that quantize wrote and writes a new one with the same bits. A twentieth of the text is"
                        + " held out; what did best there is kept.")
final class TuneCommand implements Command {
    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Parameters(index = "0", paramLabel = "MODEL", converter = ModelPath.class, description = "The quantized model.")
    private Path model = Path.of("");

    @Option(
            names = "--original",
            paramLabel = "MODEL",
            required = true,
            converter = ModelPath.class,
            description = "What it was made of: a Hugging Face folder, a GGUF file, or ORG/NAME.")
    private Path original = Path.of("");

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "The folder to write.")
    private Path out = Path.of("");

    @Option(
            names = "--calibration",
            paramLabel = "FILE",
            arity = "1..*",
            required = true,
            description = "UTF-8 texts to learn from.")
    private List<Path> calibration = new ArrayList<>();

    @Option(
            names = "--method",
            paramLabel = "NAME",
            description =
                    "weights (codes follow a weight below them, straight-through; scales too), pv (PV-Tuning: scales, and"
                            + " a few codes in each step), scales (codes stay), codes (scales stay) or stochastic"
                            + " (scales, and codes rounded by chance). Default: ${DEFAULT-VALUE}.")
    private String method = "weights";

    @Option(names = "--samples", paramLabel = "N", description = "Windows of text. Default: ${DEFAULT-VALUE}.")
    private int samples = 256;

    @Option(names = "--tokens", paramLabel = "N", description = "Tokens of each window. Default: ${DEFAULT-VALUE}.")
    private int tokens = 512;

    @Option(names = "--epochs", paramLabel = "N", description = "How often each is seen. Default: ${DEFAULT-VALUE}.")
    private int epochs = 1;

    @Option(names = "--batch", paramLabel = "N", description = "Windows of one step. Default: ${DEFAULT-VALUE}.")
    private int batch = 1;

    @Option(
            names = "--weight-rate",
            paramLabel = "X",
            description = "Learning rate of the weights below the codes. Default: ${DEFAULT-VALUE}.")
    private double weightRate = 2e-4;

    @Option(
            names = "--scale-rate",
            paramLabel = "X",
            description = "Learning rate of scales, relative to them. Default: ${DEFAULT-VALUE}.")
    private double scaleRate = 1e-3;

    @Option(names = "--adapter-rate", paramLabel = "X", description = "Of adapters. Default: ${DEFAULT-VALUE}.")
    private double adapterRate = 1e-3;

    @Option(names = "--norm-rate", paramLabel = "X", description = "Of the norms' gains. Default: ${DEFAULT-VALUE}.")
    private double normRate = 1e-3;

    @Option(
            names = "--embedding-rate",
            paramLabel = "X",
            description = "Of embedding and head, relative to their size; 0 leaves them and the final norm as they are."
                    + " Default: ${DEFAULT-VALUE}.")
    private double embeddingRate;

    @Option(
            names = "--code-rate",
            paramLabel = "X",
            description =
                    "pv, codes, stochastic: how far a step carries a code, in steps of the grid. Default: ${DEFAULT-VALUE}.")
    private double codeRate = 1e-3;

    @Option(
            names = "--code-share",
            paramLabel = "X",
            description =
                    "pv, codes: share of a linear's codes that may change in one step. Default: ${DEFAULT-VALUE}.")
    private double codeShare = 0.01;

    @Option(
            names = "--trust",
            paramLabel = "X",
            description = "pv, codes: how large a step's change of a linear may be, relative to its values."
                    + " Default: ${DEFAULT-VALUE}.")
    private double trust = 0.05;

    @Option(
            names = "--code-decay",
            paramLabel = "X",
            description = "pv, codes: how much is forgotten, after a step, of what carried a code that did not change."
                    + " Default: ${DEFAULT-VALUE}.")
    private double codeDecay;

    @Option(
            names = "--lambda",
            paramLabel = "X",
            description =
                    "Size of the saliency term, which holds weights near the original's, beside the divergence, both as they"
                            + " are at the start; 0 for none. Default: ${DEFAULT-VALUE}.")
    private double lambda;

    @Option(
            names = "--saliency",
            paramLabel = "NAME",
            description = "With --lambda: fisher (squared gradients) or uniform. Default: ${DEFAULT-VALUE}.")
    private String saliency = "fisher";

    @Option(
            names = "--memory",
            paramLabel = "GB",
            description =
                    "Memory to stay within; what is left is used to compute less twice. Default: ${DEFAULT-VALUE}.")
    private double memory = 6;

    @Option(names = "--resume", description = "Go on with a run that was stopped.")
    private boolean resume;

    @Mixin
    private final SeedOption seed = new SeedOption();

    @Mixin
    private final MachineOptions machine = new MachineOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void check() {
        settings();
    }

    Tuning tuning() {
        return new Tuning(
                moves(),
                epochs,
                batch,
                weightRate,
                scaleRate,
                adapterRate,
                normRate,
                embeddingRate,
                new CodeSteps(codeRate, codeShare, trust, codeDecay),
                pull());
    }

    private TuneRun.Settings settings() {
        return new TuneRun.Settings(
                model,
                original,
                out,
                tuning(),
                new RunSettings.Calibration(calibration, samples, tokens, 1),
                machine.machine(memory),
                seed.seed(),
                resume);
    }

    @Override
    public void run(Console console) throws IOException {
        TuneRun.Settings settings = settings();
        TuneRun.Outcome outcome;
        try (ConsoleListener listener = new ConsoleListener(console)) {
            outcome = TuneRun.run(settings, listener);
        }
        show(console, outcome);
    }

    /** Renders the report and says what a run came to. */
    static void show(Console console, TuneRun.Outcome outcome) throws IOException {
        Path report = ReportFolder.render(outcome.folder());
        TuneRun.Point first = outcome.curve().getFirst();
        console.line(
                "%s: held-out KL divergence %.4f before, %.4f after %,d steps",
                outcome.folder(),
                first.heldOut(),
                outcome.best().heldOut(),
                outcome.best().step());
        console.line("%.3f bits per weight", outcome.bitsPerWeight());
        console.line("report: %s", report);
        console.result(new ObjectMapper()
                .createObjectNode()
                .put("folder", outcome.folder().toString())
                .put("bitsPerWeight", outcome.bitsPerWeight())
                .put("before", first.heldOut())
                .put("after", outcome.best().heldOut())
                .put("step", outcome.best().step())
                .put("report", report.toString()));
    }

    private Tuning.Pull pull() {
        return switch (saliency) {
            case "fisher" -> new Tuning.Pull(lambda, Preservation.Saliency.FISHER);
            case "uniform" -> new Tuning.Pull(lambda, Preservation.Saliency.UNIFORM);
            default ->
                throw new IllegalArgumentException("--saliency: got %s, want fisher or uniform".formatted(saliency));
        };
    }

    private Tuning.Moves moves() {
        return switch (method) {
            case "weights" -> Tuning.Moves.WEIGHTS;
            case "pv" -> Tuning.Moves.PV;
            case "scales" -> Tuning.Moves.SCALES;
            case "codes" -> Tuning.Moves.CODES;
            case "stochastic" -> Tuning.Moves.STOCHASTIC;
            default ->
                throw new IllegalArgumentException(
                        "--method: got %s, want weights, pv, scales, codes or stochastic".formatted(method));
        };
    }
}
