package dev.salient.cli.make;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.cli.Command;
import dev.salient.cli.CommonOptions;
import dev.salient.cli.Console;
import dev.salient.cli.ModelArgument;
import dev.salient.cli.SeedOption;
import dev.salient.cli.Words;
import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.pipeline.Leading;
import dev.salient.pipeline.Preset;
import dev.salient.pipeline.QuantizationRun;
import dev.salient.pipeline.RunSettings;
import dev.salient.pipeline.Target;
import dev.salient.pipeline.Target.Sensitivity;
import dev.salient.pipeline.TuneRun;
import dev.salient.pipeline.WholeRun;
import dev.salient.report.ReportFolder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The command {@code quantize}. */
@CommandLine.Command(
        name = "quantize",
        header = "Make a model small: 1 to 4 bits a weight, calibrated and partially retrained.",
        description = "Writes a folder in GPTQ format, with a PEFT adapter, that Hugging Face tools and Salient read.")
final class QuantizeCommand implements Command {
    private static final Pattern KEPT = Pattern.compile("(\\d+)\\.(q|k|v|o|gate|up|down)=q([348])");

    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Mixin
    private final ModelArgument model = new ModelArgument();

    @Mixin
    private final MethodOptions method = new MethodOptions();

    @Mixin
    private final SeedOption seed = new SeedOption();

    @Mixin
    private final MachineOptions machine = new MachineOptions();

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "The folder to write.")
    private Path out = Path.of("");

    @Option(
            names = "--calibration",
            paramLabel = "FILE",
            arity = "1..*",
            description = "UTF-8 texts to calibrate on. Default: the model writes its own.")
    private List<Path> calibration = new ArrayList<>();

    @Option(names = "--samples", paramLabel = "N", description = "Windows of text to train on. Default: by preset.")
    private @Nullable Integer samples;

    @Option(names = "--tokens", paramLabel = "N", description = "Tokens of each window. Default: by preset.")
    private @Nullable Integer tokens;

    @Option(names = "--saliency-samples", paramLabel = "N", description = "Windows for saliency. Default: by preset.")
    private @Nullable Integer saliencySamples;

    @Option(
            names = "--leading-tokens",
            paramLabel = "TOKENS",
            description =
                    "What every window of text begins with, control tokens among it, such as \"<|im_start|>\". Default: none;"
                            + " with --intact-kv the token that the tokenizer puts before a text.")
    private @Nullable String leading;

    @Option(
            names = "--intact-kv",
            description =
                    "Keep the original's keys and values of the tokens that windows begin with, for all texts that begin so."
                            + " Only Salient reads such a model.")
    private boolean intact;

    @Option(
            names = "--tune",
            paramLabel = "N",
            description =
                    "When all blocks are done, tune the whole model on so many windows of the text, as the command tune does:"
                            + " straight-through, codes and scales; 0: do not. Default: by preset.")
    private @Nullable Integer tune;

    @Option(
            names = "--keep",
            paramLabel = "LINEAR=qBITS",
            arity = "1..*",
            split = ",",
            description = "Linears that get more bits: 11.up=q8. Linears: q k v o gate up down; bits: 3, 4 or 8.")
    private List<String> keep = new ArrayList<>();

    @Option(
            names = "--keep-budget",
            paramLabel = "BITS",
            description = "Extra bits per weight, in all, that may be spent on linears that make massive activations."
                    + " Default: ${DEFAULT-VALUE}.")
    private double budget;

    @Option(
            names = "--target-bpw",
            paramLabel = "BITS",
            description =
                    "Bits per weight in all: what the grid leaves of them buys 4 or 8 bits for the linears where that lowers the"
                            + " loss most. Default: none is bought but by --keep and --keep-budget.")
    private double target;

    @Option(
            names = "--sensitivity",
            paramLabel = "fisher|kl",
            description =
                    "What --target-bpw takes for a linear's share in the loss: what its Fisher information expects (fisher), or"
                            + " the divergence of next tokens, measured with it alone rounded (kl), which takes longer."
                            + " Default: fisher.")
    private @Nullable Sensitivity sensitivity;

    @Option(
            names = "--imatrix",
            paramLabel = "FILE",
            description =
                    "For --saliency activation and wanda: energies of inputs from a GGUF imatrix, instead of measured ones.")
    private @Nullable Path imatrix;

    @Option(
            names = "--memory",
            paramLabel = "GB",
            description = "Memory to stay within; hidden states move to disk beyond it. Default: ${DEFAULT-VALUE}.")
    private double memory = 4;

    @Option(names = "--resume", description = "Go on with a run that was stopped.")
    private boolean resume;

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void check() {
        settings();
        tuning();
    }

    /** How the whole model is tuned afterwards; null where it is not. */
    private WholeRun.@Nullable Tune tuning() {
        int windows = tune == null ? 0 : tune;
        require(windows >= 0, "--tune: got %d, want a number of windows, or 0", windows);
        WholeRun.Tune own = windows == 0 ? null : WholeRun.Tune.weights(windows);
        WholeRun.Tune asked = tune == null ? method.preset().tuning() : own;
        require(
                asked == null || !calibration.isEmpty(),
                "--tune %d: got no --calibration, want texts to learn from, or --tune 0",
                asked == null ? 0 : asked.windows());
        return asked;
    }

    private RunSettings settings() {
        Preset preset = method.preset();
        Method chosen = method.method();
        require(
                imatrix == null
                        || (chosen instanceof Method.PartialRetraining retraining
                                && retraining.preserves()
                                && retraining.preservation().saliency().looksAtInputs()),
                "--imatrix: got a file for a method that does not look at it, want --saliency activation or wanda");
        require(
                sensitivity == null || target > 0,
                "--sensitivity: got no --target-bpw, want the bits per weight that it helps to spend");
        return new RunSettings(
                model.path(),
                out,
                chosen,
                kept(),
                imatrix,
                budget,
                new Target(target, sensitivity == null ? Sensitivity.FISHER : sensitivity),
                new RunSettings.Calibration(
                        calibration,
                        samples == null ? preset.samples() : samples,
                        tokens == null ? preset.tokens() : tokens,
                        saliencySamples == null ? preset.saliencySamples() : saliencySamples,
                        new Leading(leading, intact)),
                machine.machine(memory),
                seed.seed(),
                resume);
    }

    @Override
    public void run(Console console) throws IOException {
        RunSettings settings = settings();
        WholeRun.Tune tuning = tuning();
        if (tuning != null) {
            TuneRun.Outcome tuned;
            try (ConsoleListener listener = new ConsoleListener(console)) {
                tuned = WholeRun.run(settings, tuning, listener);
            }
            TuneCommand.show(console, tuned);
            return;
        }
        QuantizationRun.Outcome outcome;
        try (ConsoleListener listener = new ConsoleListener(console)) {
            outcome = QuantizationRun.run(settings, listener);
        }
        Path report = ReportFolder.render(outcome.folder());
        console.line("%s: %.3f bits per weight", outcome.folder(), outcome.bitsPerWeight());
        if (!outcome.trained().isZero()) {
            console.line(
                    "trained for %s at %.0f %% of this machine's rate of matrix products",
                    Words.duration(outcome.trained()), 100 * outcome.gemmShare());
        }
        console.line("report: %s", report);
        console.result(new ObjectMapper()
                .createObjectNode()
                .put("folder", outcome.folder().toString())
                .put("bitsPerWeight", outcome.bitsPerWeight())
                .put("trainedSeconds", outcome.trained().toMillis() / 1e3)
                .put("gemmShare", outcome.gemmShare())
                .put("report", report.toString()));
    }

    private Map<LinearId, Grid> kept() {
        Map<LinearId, Grid> kept = new HashMap<>();
        for (String one : keep) {
            Matcher matcher = KEPT.matcher(one);
            require(matcher.matches(), "--keep: got %s, want LINEAR=qBITS, as in 11.up=q8", one);
            Linear linear = Linear.valueOf(matcher.group(2).toUpperCase(java.util.Locale.ROOT));
            kept.put(
                    new LinearId(Integer.parseInt(matcher.group(1)), linear),
                    new Grid.Signed(Integer.parseInt(matcher.group(3)), 64));
        }
        return kept;
    }
}
