package dev.salient.pipeline;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.corpus.Corpus;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.saliency.FisherFile;
import dev.salient.torch.TorchDevice;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Finds which weights of a model matter, without quantizing it. With the same text, samples, tokens and seed it shares
 * the cache with {@link QuantizationRun}.
 */
public final class SaliencyRun {
    private SaliencyRun() {}

    /**
     * Whose saliency, on what text.
     *
     * @param model a Hugging Face folder or a GGUF file
     * @param imatrix where the energies of the linears' inputs are written to, as GGUF; or null
     */
    public record Settings(
            Path model,
            RunSettings.Calibration calibration,
            RunSettings.Machine machine,
            long seed,
            @Nullable Path imatrix) {}

    /**
     * The saliency of all linears in few numbers.
     *
     * @return {@code run} and {@code blocks} as in a run's {@code report.json}
     */
    public static ObjectNode run(Settings settings, RunListener listener) throws IOException {
        RunSettings.Calibration calibration = settings.calibration();
        RunSettings.Machine machine = settings.machine();
        machine.use();
        TorchDevice device = TorchDevice.of(machine.device());
        try (Checkpoint original = Checkpoints.open(settings.model())) {
            Checkpoints.requireFinite(original);
            original.requireOwnKeys("saliency", "the original");
            ModelConfig config = original.weights().config();
            int tokens = calibration.tokens();
            require(
                    tokens <= config.contextLength(),
                    "--tokens: got %d, want at most %d, the model's context",
                    tokens,
                    config.contextLength());
            List<int[]> windows = Corpus.read(calibration.files(), original.expectTokenizer())
                    .randomWindows(calibration.saliencySamples(), tokens, settings.seed());
            String hash = Checkpoints.hash(settings.model());
            FisherFile file = new SaliencyPass(original.weights(), hash, machine.cache())
                    .run(windows, device, listener)
                    .file();
            if (settings.imatrix() != null) {
                String text = String.valueOf(calibration.files().getFirst().getFileName());
                ImatrixRun.run(original.weights(), windows, device, listener)
                        .write(settings.imatrix(), text, windows.size(), tokens);
            }
            ObjectNode json = new ObjectMapper().createObjectNode();
            ObjectNode run = json.putObject("run");
            run.putObject("model")
                    .put("name", Checkpoints.name(settings.model()))
                    .put("sha256", hash);
            run.putObject("calibration")
                    .put("tokens", tokens)
                    .put("saliencySamples", windows.size())
                    .put("sha256", SaliencyPass.hash(windows));
            run.put("seed", settings.seed());
            json.set("blocks", blocks(file, config));
            return json;
        }
    }

    private static ArrayNode blocks(FisherFile file, ModelConfig config) throws IOException {
        ArrayNode blocks = new ObjectMapper().createArrayNode();
        for (int block = 0; block < config.blockCount(); block++) {
            ArrayNode linears = blocks.addObject().put("block", block).putArray("linears");
            for (Linear linear : Linear.values()) {
                linears.addObject()
                        .put("name", linear.label())
                        .set("saliency", RunReport.summary(file, new LinearId(block, linear), config));
            }
        }
        return blocks;
    }
}
