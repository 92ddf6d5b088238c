package dev.salient.cli.make;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.cli.Command;
import dev.salient.cli.CommonOptions;
import dev.salient.cli.Console;
import dev.salient.cli.ModelArgument;
import dev.salient.cli.SeedOption;
import dev.salient.format.Checkpoints;
import dev.salient.format.json.JsonFiles;
import dev.salient.pipeline.Preset;
import dev.salient.pipeline.RunSettings;
import dev.salient.pipeline.SaliencyRun;
import dev.salient.report.ReportFolder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The command {@code saliency}. */
@CommandLine.Command(
        name = "saliency",
        header = "Draw which weights matter to the loss.",
        description =
                "Writes a page with maps of every linear's saliency, without quantizing. What it computes is kept,"
                        + " and quantize with the same text, tokens, seed and saliency samples uses it.")
final class SaliencyCommand implements Command {
    private static final Preset FAST = Preset.of("fast");

    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Mixin
    private final ModelArgument model = new ModelArgument();

    @Option(
            names = "--calibration",
            paramLabel = "FILE",
            arity = "1..*",
            required = true,
            description = "UTF-8 texts to compute the loss on.")
    private List<Path> calibration = new ArrayList<>();

    @Option(names = "--out", paramLabel = "FILE", required = true, description = "The HTML page to write.")
    private Path out = Path.of("");

    @Option(names = "--saliency-samples", paramLabel = "N", description = "Windows of text. Default: ${DEFAULT-VALUE}.")
    private int samples = FAST.saliencySamples();

    @Option(names = "--tokens", paramLabel = "N", description = "Tokens of each window. Default: ${DEFAULT-VALUE}.")
    private int tokens = FAST.tokens();

    @Option(
            names = "--imatrix",
            paramLabel = "FILE",
            description =
                    "Also write the energies of the linears' inputs, as a GGUF imatrix that llama-quantize reads.")
    private @Nullable Path imatrix;

    @Mixin
    private final SeedOption seed = new SeedOption();

    @Mixin
    private final MachineOptions machine = new MachineOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) throws IOException {
        SaliencyRun.Settings settings = new SaliencyRun.Settings(
                model.path(),
                new RunSettings.Calibration(calibration, 1, tokens, samples),
                machine.machine(0),
                seed.seed(),
                imatrix);
        ObjectNode report;
        try (ConsoleListener listener = new ConsoleListener(console)) {
            report = SaliencyRun.run(settings, listener);
        }
        report.put("name", Checkpoints.name(model.path()));
        JsonFiles.writeText(out, ReportFolder.saliencyPage(report));
        console.line("page: %s", out);
        console.result(report);
    }
}
