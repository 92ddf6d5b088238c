package dev.salient.pipeline;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.calibration.Activations;
import dev.salient.corpus.Corpus;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.FormatException;
import dev.salient.format.OwnValues;
import dev.salient.format.gptq.QuantizedFolder;
import dev.salient.method.Tuning;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.saliency.FisherFile;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import dev.salient.train.TensorState;
import dev.salient.tune.Tuner;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntFunction;
import org.bytedeco.pytorch.Tensor;

/**
 * Tunes a quantized model end to end into a new folder; a run can be stopped and resumed from its last look at the held-out
 * loss, and the folder gets what did best there.
 *
 * <pre>{@code
 * TuneRun.Outcome outcome = TuneRun.run(settings, listener);
 * }</pre>
 */
public final class TuneRun {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final TypeReference<List<Point>> POINTS = new TypeReference<>() {};

    /** Looks at the held-out loss in a run, beside the first. */
    private static final int CHECKS = 16;

    /** Of the text's tokens one in so many, at its end, is held out. */
    private static final int HELD_OUT_SHARE = 20;

    private static final int MOST_HELD_OUT_WINDOWS = 8;

    /** Windows whose squared gradients make the saliency. */
    private static final int SALIENCY_WINDOWS = 32;

    private final Settings settings;
    private final RunListener listener;
    private final Checkpoint original;
    private final Checkpoint quantized;
    private final ModelConfig config;
    /** Of the original's file. */
    private final String hash;

    private final List<Point> curve = new ArrayList<>();

    private TuneRun(Settings settings, RunListener listener, Checkpoint original, Checkpoint quantized)
            throws IOException {
        this.settings = settings;
        this.listener = listener;
        this.original = original;
        this.quantized = quantized;
        this.config = original.weights().config();
        this.hash = Checkpoints.hash(settings.original());
    }

    /**
     * What a user asks of a run.
     *
     * @param quantized a folder that {@link QuantizationRun} wrote, or another model whose linears are in groups
     * @param original what it was made of: a Hugging Face folder or a GGUF file
     * @param out the folder to write
     * @param calibration text and windows; its saliency samples are of no account
     * @param resume whether to go on with what an earlier run left in {@code out}
     */
    public record Settings(
            Path quantized,
            Path original,
            Path out,
            Tuning tuning,
            RunSettings.Calibration calibration,
            RunSettings.Machine machine,
            long seed,
            boolean resume) {}

    /**
     * A look at the held-out loss.
     *
     * @param step steps done
     * @param training mean KL divergence of the steps since the look before; 0 at step 0
     * @param heldOut mean KL divergence over the held-out windows
     */
    public record Point(int step, double training, double heldOut) {}

    /**
     * What a run came to.
     *
     * @param bitsPerWeight of the block linears, as before
     * @param curve of KL divergences, nats a token, the first before any step
     */
    public record Outcome(Path folder, double bitsPerWeight, List<Point> curve) {
        public Outcome {
            curve = List.copyOf(curve);
        }

        /** The point whose weights were written. */
        public Point best() {
            return TuneRun.best(curve);
        }
    }

    private static Point best(List<Point> curve) {
        return curve.stream()
                .min(java.util.Comparator.comparingDouble(Point::heldOut))
                .orElseThrow();
    }

    /** Does all of it. */
    public static Outcome run(Settings settings, RunListener listener) throws IOException {
        settings.machine().use();
        try (Checkpoint original = Checkpoints.open(settings.original());
                Checkpoint quantized = Checkpoints.open(settings.quantized())) {
            require(
                    original.weights().config().equals(quantized.weights().config()),
                    "%s: got another architecture than that of %s, want the model that it was made of",
                    settings.original(),
                    settings.quantized());
            Checkpoints.requireFinite(original);
            OwnValues.require(
                    quantized.weights(),
                    "which tune does not train: want a model of --grid signed2, binary or another with codes");
            original.requireOwnKeys("tune", "the original");
            quantized.requireOwnKeys("tune", "a model that was quantized without --intact-kv");
            try (RunFolder folder = RunFolder.open(settings.out(), settings.resume())) {
                return new TuneRun(settings, listener, original, quantized).tune(folder);
            }
        }
    }

    private Outcome tune(RunFolder folder) throws IOException {
        Tuner.Text text = text(settings, original);
        JsonNode source = sourceManifest();
        folder.settle(manifest(source, text));
        RunSettings.Machine machine = settings.machine();
        TorchDevice device = TorchDevice.of(machine.device());
        int tokens = settings.calibration().tokens();
        int windows = text.training().size() + text.heldOut().size();
        Tuner.Room room = TuneMemory.room(config, settings.tuning(), tokens, machine);
        requireRoom();
        IntFunction<Map<Linear, Tensor>> saliency = saliency(text, device);
        Activations.Size size = new Activations.Size(windows, tokens, config.hiddenSize());
        try (Activations wanted = Activations.inFile(size, folder.spill().resolve("wanted"));
                TorchScope scope = new TorchScope();
                Tuner tuner = new Tuner(
                        original.weights(),
                        quantized.weights(),
                        settings.tuning(),
                        text,
                        saliency,
                        wanted,
                        room,
                        device)) {
            if (Files.exists(folder.tuningState())) {
                restore(folder.tuningState(), tuner);
            }
            QuantizedFolder model = QuantizedFolder.open(settings.out(), original);
            if (!model.isFinished()) {
                train(folder, model, tuner);
                model.finish(note());
            }
            ObjectNode results = JSON.createObjectNode();
            results.set("tuned", JSON.valueToTree(curve));
            folder.finish(source.path("blocks"), results);
        }
        new RunReport(settings.out(), machine.threads(), original, null).write(listener);
        folder.deleteWork();
        return new Outcome(settings.out(), bitsPerWeight(), curve);
    }

    /** The Fisher saliency on the first windows of the text, where the settings want it. */
    private IntFunction<Map<Linear, Tensor>> saliency(Tuner.Text text, TorchDevice device) throws IOException {
        if (!settings.tuning().pull().needsFisher()) {
            return block -> Map.of();
        }
        List<int[]> windows = text.training()
                .subList(0, Math.min(SALIENCY_WINDOWS, text.training().size()));
        FisherFile file = new SaliencyPass(
                        original.weights(), hash, settings.machine().cache())
                .run(windows, device, listener)
                .file();
        return block -> {
            try {
                return file.read(block, device);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        };
    }

    private double bitsPerWeight() {
        long bits = 0;
        for (BlockWeights block : quantized.weights().blocks()) {
            for (Linear linear : Linear.values()) {
                bits += block.linear(linear).neededBits();
            }
        }
        return bits / (double) config.linearWeightCount();
    }

    /**
     * Looks for what would stop a run at its start, before there is a quantized model.
     *
     * @throws IllegalArgumentException where text or memory do not do
     */
    static void requirePossible(Settings settings) throws IOException {
        try (Checkpoint original = Checkpoints.open(settings.original())) {
            Tuner.steps(settings.tuning(), text(settings, original).training().size());
            TuneMemory.room(
                    original.weights().config(),
                    settings.tuning(),
                    settings.calibration().tokens(),
                    settings.machine());
        }
    }

    /** A state is written beside the one before it, and the hidden states beside both. */
    private void requireRoom() throws IOException {
        long state = 12 * config.linearWeightCount();
        long states = (long) settings.calibration().samples()
                * settings.calibration().tokens()
                * config.hiddenSize()
                * Float.BYTES;
        long need = 2 * state + states + config.linearWeightCount();
        long free = Files.getFileStore(settings.out()).getUsableSpace();
        require(
                need <= free,
                "%s: %d MB are free, want %d MB to keep the run's state: make room",
                settings.out(),
                free >> 20,
                need >> 20);
    }

    private void train(RunFolder folder, QuantizedFolder model, Tuner tuner) throws IOException {
        listener.began("tune", tuner.stepsInAll());
        listener.reached(tuner.stepsDone());
        if (curve.isEmpty()) {
            check(folder, model, tuner, 0);
        }
        tuner.startedFrom(curve.getFirst().heldOut());
        double sum = 0;
        int since = 0;
        while (tuner.stepsDone() < tuner.stepsInAll()) {
            sum += tuner.step();
            since++;
            listener.reached(tuner.stepsDone());
            if (looksAfter(tuner.stepsDone(), tuner.stepsInAll())) {
                check(folder, model, tuner, sum / since);
                sum = 0;
                since = 0;
            }
        }
    }

    /** Whether a step is one of those, evenly spread and the last among them, after which the held-out loss is looked at. */
    private static boolean looksAfter(int step, int steps) {
        return (long) step * CHECKS / steps > (long) (step - 1) * CHECKS / steps;
    }

    /** Looks at the held-out loss, writes the blocks where none was lower, and then the state to go on from. */
    private void check(RunFolder folder, QuantizedFolder model, Tuner tuner, double training) throws IOException {
        ModelWeights packed = tuner.pack();
        Point point = new Point(tuner.stepsDone(), training, tuner.heldOutLoss(packed));
        boolean first = curve.isEmpty();
        if (first || point.heldOut() < best(curve).heldOut()) {
            for (int block = 0; block < packed.blocks().size(); block++) {
                model.writeBlock(block, packed.blocks().get(block));
            }
            if (first || settings.tuning().embeddingRate() > 0) {
                model.writeEnds(packed);
            }
        }
        curve.add(point);
        String line = String.format(Locale.ROOT, "step %d: held-out KL %.4f", point.step(), point.heldOut())
                + (first ? "" : String.format(Locale.ROOT, ", training %.4f", point.training()));
        listener.note(line);
        folder.log(line);
        TensorState.write(folder.tuningState(), Map.of("curve", JSON.writeValueAsString(curve)), tuner.state());
    }

    private static Tuner.Text text(Settings settings, Checkpoint original) throws IOException {
        RunSettings.Calibration calibration = settings.calibration();
        int tokens = calibration.tokens();
        int context = original.weights().config().contextLength();
        require(tokens <= context, "--tokens: got %d, want at most %d, the model's context", tokens, context);
        Corpus corpus = Corpus.read(calibration.files(), original.expectTokenizer());
        int heldOut = Math.max(tokens, corpus.length() / HELD_OUT_SHARE);
        require(
                corpus.length() > heldOut + tokens,
                "--calibration: got %d tokens, want more than two windows of %d",
                corpus.length(),
                tokens);
        int split = corpus.length() - heldOut;
        return new Tuner.Text(
                corpus.slice(0, split).randomWindows(calibration.samples(), tokens, settings.seed()),
                corpus.slice(split, corpus.length()).adjacentWindows(tokens, MOST_HELD_OUT_WINDOWS),
                settings.seed());
    }

    /** What the quantized folder says of its own making; empty where it says nothing. */
    private JsonNode sourceManifest() throws IOException {
        Path file = settings.quantized().resolve(RunFolder.MANIFEST);
        return Files.isRegularFile(file) ? JSON.readTree(Files.readAllBytes(file)) : JSON.createObjectNode();
    }

    private ObjectNode manifest(JsonNode source, Tuner.Text text) throws IOException {
        ObjectNode json = source.deepCopy();
        json.remove("blocks");
        json.putObject("model")
                .put("name", Checkpoints.name(settings.original()))
                .put("sha256", hash);
        ObjectNode own = json.withArray("tunings").addObject();
        Tuning tuning = settings.tuning();
        own.put("salient", Manifest.version())
                .put("from", Checkpoints.hash(settings.quantized()))
                .put("moves", tuning.moves().name())
                .put("epochs", tuning.epochs())
                .put("batch", tuning.batch())
                .put("weightRate", tuning.weightRate())
                .put("scaleRate", tuning.scaleRate())
                .put("adapterRate", tuning.adapterRate())
                .put("normRate", tuning.normRate())
                .put("embeddingRate", tuning.embeddingRate())
                .put("samples", settings.calibration().samples())
                .put("tokens", settings.calibration().tokens())
                .put("sha256", SaliencyPass.hash(text.training()))
                .put("heldOut", SaliencyPass.hash(text.heldOut()))
                .put("seed", settings.seed());
        if (tuning.pull().lambda() > 0) {
            own.put("lambda", tuning.pull().lambda())
                    .put("saliency", tuning.pull().saliency().name());
        }
        if (tuning.moves() == Tuning.Moves.STOCHASTIC) {
            own.putObject("codeSteps").put("rate", tuning.codeSteps().rate());
        }
        if (tuning.moves() == Tuning.Moves.CODES || tuning.moves() == Tuning.Moves.PV) {
            own.putObject("codeSteps")
                    .put("rate", tuning.codeSteps().rate())
                    .put("share", tuning.codeSteps().share())
                    .put("trust", tuning.codeSteps().trust())
                    .put("decay", tuning.codeSteps().decay());
        }
        own.set("machine", Manifest.machine(settings.machine()));
        return json;
    }

    private String note() {
        Point best = best(curve);
        return String.format(
                Locale.ROOT,
                "Quantized and then tuned end to end by Salient: on held-out text the KL divergence from the original went from"
                        + " %.3f to %.3f nats a token in %d steps. Embeddings, final norm and head are not quantized%s. The"
                        + " settings are in salient-run.json.",
                curve.getFirst().heldOut(),
                best.heldOut(),
                best.step(),
                settings.tuning().embeddingRate() > 0 ? ", but tuned along" : "");
    }

    private void restore(Path file, Tuner tuner) throws IOException {
        TensorState.read(
                file,
                metadata -> {
                    String points = metadata.get("curve");
                    if (points == null) {
                        throw new FormatException("%s: got no curve, want the state of a run: delete the folder", file);
                    }
                    curve.addAll(JSON.readValue(points, POINTS));
                },
                tuner.state(),
                tuner.device());
        tuner.restored(curve.getLast().step());
    }
}
