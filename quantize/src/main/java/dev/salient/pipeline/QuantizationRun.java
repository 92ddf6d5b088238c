package dev.salient.pipeline;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.calibration.IntactKeys;
import dev.salient.corpus.Corpus;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.gguf.Imatrix;
import dev.salient.format.gptq.QuantizedFolder;
import dev.salient.method.Adapters;
import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.model.BlockWeights;
import dev.salient.model.IntactKv;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.packed.PackedWeight;
import dev.salient.pipeline.Target.Sensitivity;
import dev.salient.quantizer.CodebookTrainer;
import dev.salient.quantizer.Gsq;
import dev.salient.quantizer.PartialRetrainer;
import dev.salient.quantizer.QuantizedBlock;
import dev.salient.saliency.FisherFile;
import dev.salient.torch.GemmRate;
import dev.salient.torch.TorchDevice;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Quantizes a model into a folder, block by block; what is finished is on disk, and a run can be stopped and resumed.
 *
 * <pre>{@code
 * QuantizationRun.Outcome outcome = QuantizationRun.run(settings, listener);
 * }</pre>
 */
public final class QuantizationRun {
    private final RunSettings settings;
    private final RunListener listener;
    private final Checkpoint original;
    private final ModelConfig config;
    private final TorchDevice device;
    private final @Nullable Imatrix imatrix;
    /** Token ids that all windows begin with. */
    private final int[] leading;

    private QuantizationRun(RunSettings settings, RunListener listener, Checkpoint original) throws IOException {
        this.settings = settings;
        this.listener = listener;
        this.original = original;
        this.config = original.weights().config();
        this.device = TorchDevice.of(settings.machine().device());
        this.imatrix = settings.imatrix() == null ? null : Imatrix.read(settings.imatrix(), config);
        Leading asked = settings.calibration().leading();
        this.leading = asked.equals(Leading.NONE) ? new int[0] : asked.ids(original.expectTokenizer());
        require(
                leading.length < config.contextLength(),
                "--leading-tokens: got %d, want fewer than the context's %d",
                leading.length,
                config.contextLength());
    }

    /**
     * What a run came to.
     *
     * @param bitsPerWeight as planned: codes, scales, zero points where they vary, adapters
     * @param trained time spent in training blocks
     * @param gemmShare of the machine's measured rate of matrix products that training reached; 0 where none was done
     */
    public record Outcome(Path folder, double bitsPerWeight, Duration trained, double gemmShare) {}

    /** Does all of it. */
    public static Outcome run(RunSettings settings, RunListener listener) throws IOException {
        settings.machine().use();
        try (Checkpoint original = Checkpoints.open(settings.model())) {
            Checkpoints.requireFinite(original);
            original.requireOwnKeys("quantize", "the original");
            QuantizationRun run = new QuantizationRun(settings, listener, original);
            run.requireGridFits(settings.kept());
            require(
                    !Files.exists(RunFolder.start(settings.out())),
                    "%s: got a run that is tuned too and was not finished: go on with the same --tune and --resume, or choose"
                            + " another --out",
                    settings.out());
            try (RunFolder folder = RunFolder.open(settings.out(), settings.resume())) {
                return run.quantize(folder);
            }
        }
    }

    private void requireGridFits(Map<LinearId, Grid> kept) {
        for (Linear linear : Linear.values()) {
            settings.method().grid().groupSizeFor(linear.in(config));
        }
        if (fitsAdapters()) {
            for (Linear linear : Linear.values()) {
                int least = Math.min(linear.out(config), linear.in(config));
                require(
                        settings.method().rank() <= least,
                        "--rank: got %d, want at most %d, the smaller side of %s",
                        settings.method().rank(),
                        least,
                        linear.label());
            }
        }
        kept.forEach((id, grid) -> {
            require(
                    id.block() < config.blockCount(),
                    "--keep %s: got block %d, want 0 to %d",
                    id,
                    id.block(),
                    config.blockCount() - 1);
            grid.groupSizeFor(id.linear().in(config));
        });
    }

    private boolean fitsAdapters() {
        return settings.method() instanceof Method.ErrorAdapter
                || (settings.method() instanceof Method.PartialRetraining retraining
                        && retraining.adapters().start() != Adapters.Start.ZERO);
    }

    /** Bits for each weight of the linears that intact keys and values take. */
    private double intactBits() {
        return settings.calibration().leading().intact()
                ? (double) IntactKv.bits(config, leading.length) / config.linearWeightCount()
                : 0;
    }

    private Outcome quantize(RunFolder folder) throws IOException {
        boolean looksAtData = settings.method().looksAtData();
        double least = Plan.bitsPerWeight(config, settings.method(), settings.kept()) + intactBits();
        require(
                settings.target().bits() == 0 || settings.target().bits() >= least,
                "--target-bpw: got %s, want at least %.3f, what the method's grid takes",
                settings.target().bits(),
                least);
        boolean needsEarly = settings.target().isBy(Sensitivity.FISHER) || rankBudget() > 0;
        boolean chooses = settings.budget() > 0 || settings.target().bits() > 0 || rankBudget() > 0;
        List<int[]> windows = looksAtData || chooses ? Leading.before(windows(folder), leading) : List.of();
        String modelHash = Checkpoints.hash(settings.model());
        SaliencyPass.Result early = needsEarly ? saliency(windows, modelHash) : null;
        Map<LinearId, Grid> kept = new KeptLinears(
                        original.weights(), settings, settings.target().bits() - intactBits(), device)
                .of(
                        windows,
                        early != null && settings.target().isBy(Sensitivity.FISHER) ? early.file() : null,
                        settings.machine().cache().resolve("sensitivity").resolve(modelHash.substring(0, 16)),
                        listener);
        Map<LinearId, Integer> ranks = early == null || rankBudget() == 0 ? Map.of() : ranks(early.file(), kept);
        folder.settle(Manifest.of(settings, kept, leading, modelHash, SaliencyPass.hash(windows)));
        boolean keeps = settings.calibration().leading().intact();
        IntactKv intact = keeps ? IntactKeys.of(original.weights(), leading, device) : null;
        Plan plan = plan(kept, ranks);
        listener.planned(plan);
        requireRoom(plan);
        SaliencyPass.Result found = early == null && needsFisher() ? saliency(windows, modelHash) : early;
        FisherFile saliency = found == null ? null : found.file();
        QuantizedFolder model = QuantizedFolder.open(settings.out(), original);
        if (intact != null) {
            model.keep(intact);
        }
        List<int[]> training = looksAtData ? training(windows) : List.of();
        try (DiskBlocks blocks = new DiskBlocks(folder, model, saliency)) {
            listener.began("quantize", blocks.stepsInAll());
            if (!model.isFinished()) { // else a run was stopped after its last block
                BlockStream.Settings all = new BlockStream.Settings(
                        settings.method(),
                        kept,
                        ranks,
                        training,
                        intact,
                        settings.seed(),
                        device,
                        plan.spills() ? folder.spill() : null);
                new BlockStream(original.weights(), all, blocks).run();
            }
            model.finish(note(plan, kept));
            folder.finish(folder.curves(config.blockCount()), results(plan));
            new RunReport(settings.out(), settings.machine().threads(), original, saliency).write(listener);
            double rate = blocks.work / Math.max(1e-9, blocks.nanos / 1e9);
            double share = blocks.nanos == 0 ? 0 : rate / plan.gemmRate();
            if (found != null && found.nanos() > 0) {
                RunSettings.Calibration calibration = settings.calibration();
                double products = Plan.saliencyWork(config, calibration.saliencySamples(), calibration.tokens());
                folder.log("saliency " + speed(products, found.nanos(), plan));
            }
            folder.log("trained " + speed(blocks.work, blocks.nanos, plan));
            folder.deleteWork();
            return new Outcome(settings.out(), plan.bitsPerWeight(), Duration.ofNanos(blocks.nanos), share);
        }
    }

    /** Windows for training and for the saliency, the same from the start of the list. */
    private List<int[]> windows(RunFolder folder) throws IOException {
        RunSettings.Calibration calibration = settings.calibration();
        require(
                calibration.tokens() <= config.contextLength(),
                "--tokens: got %d, want at most %d, the model's context",
                calibration.tokens(),
                config.contextLength());
        int held = heldOut();
        int count = needsSaliency()
                ? Math.max(calibration.samples(), calibration.saliencySamples())
                : calibration.samples();
        if (calibration.files().isEmpty()) {
            List<int[]> earlier = folder.findOwnWindows();
            if (earlier != null) {
                return earlier;
            }
            listener.note("no --calibration: the model writes its own text to calibrate on");
            listener.began("own text", (long) (count + held) * calibration.tokens());
            List<int[]> own = OwnText.windows(original, settings, count + held, listener::reached);
            folder.writeOwnWindows(own);
            return own;
        }
        Corpus corpus = Corpus.read(calibration.files(), original.expectTokenizer());
        if (held == 0) {
            return corpus.randomWindows(count, calibration.tokens(), settings.seed());
        }
        int split = corpus.length() - held * calibration.tokens(); // what is held out is the text's end
        require(
                split > calibration.tokens(),
                "--held-out: got %d windows of %d tokens, want a text that leaves more than one beside them, not one of %d"
                        + " tokens",
                held,
                calibration.tokens(),
                corpus.length());
        List<int[]> windows =
                new ArrayList<>(corpus.slice(0, split).randomWindows(count, calibration.tokens(), settings.seed()));
        windows.addAll(corpus.slice(split, corpus.length()).adjacentWindows(calibration.tokens(), held));
        return windows;
    }

    /** Windows that blocks are trained on, and after them those that are held out: the last of all. */
    private List<int[]> training(List<int[]> windows) {
        List<int[]> training =
                new ArrayList<>(windows.subList(0, settings.calibration().samples()));
        training.addAll(windows.subList(windows.size() - heldOut(), windows.size()));
        return training;
    }

    private int heldOut() {
        return settings.method() instanceof Method.PartialRetraining retraining
                ? retraining.heldOut().windows()
                : 0;
    }

    private boolean needsSaliency() {
        return settings.target().isBy(Sensitivity.FISHER) || rankBudget() > 0 || needsFisher();
    }

    private double rankBudget() {
        return settings.method() instanceof Method.PartialRetraining retraining
                ? retraining.adapters().budget()
                : 0;
    }

    /** The rank of each linear that is not kept. */
    private Map<LinearId, Integer> ranks(FisherFile fisher, Map<LinearId, Grid> kept) throws IOException {
        Method.PartialRetraining method = (Method.PartialRetraining) settings.method();
        RankBudget budget = new RankBudget(original.weights(), method.grid(), method.adapters(), device);
        Map<LinearId, Integer> ranks = budget.ranks(fisher, kept.keySet(), listener);
        listener.note("ranks: " + ranks);
        return ranks;
    }

    private boolean needsFisher() {
        return settings.method() instanceof Method.PartialRetraining retraining
                && retraining.preserves()
                && retraining.preservation().saliency().looksAtGradients();
    }

    private Plan plan(Map<LinearId, Grid> kept, Map<LinearId, Integer> ranks) {
        RunSettings.Calibration calibration = settings.calibration();
        int samples = calibration.samples() + heldOut();
        long streams = Plan.streamBytes(config, samples, calibration.tokens());
        long working = Plan.workingBytes(config, settings.method(), samples, calibration.tokens());
        boolean spills = streams + working > settings.machine().memoryBytes();
        double bits = Plan.bitsPerWeight(config, settings.method(), kept, ranks) + intactBits();
        long saliency = needsSaliency() ? config.linearWeightCount() * Float.BYTES : 0;
        long states = needsSaliency()
                ? (long) calibration.saliencySamples()
                        * calibration.tokens()
                        * config.hiddenSize()
                        * config.blockCount()
                        * Float.BYTES
                : 0;
        long ends = 2L * config.vocabSize() * config.hiddenSize() * (config.tiedEmbeddings() ? 1 : 2);
        double work = Plan.trainingWork(config, settings.method(), calibration.samples(), calibration.tokens())
                + (needsSaliency()
                        ? Plan.saliencyWork(config, calibration.saliencySamples(), calibration.tokens())
                        : 0);
        return new Plan(
                bits,
                working + (spills ? 0 : streams),
                (long) (bits * config.linearWeightCount() / 8) + ends + saliency + states + (spills ? streams : 0),
                spills,
                work,
                GemmRate.measure(device));
    }

    private void requireRoom(Plan plan) throws IOException {
        long free = Files.getFileStore(settings.out()).getUsableSpace();
        require(
                plan.diskBytes() <= free,
                "%s: %d MB are free, want %d MB: make room, or take fewer --saliency-samples",
                settings.out(),
                free >> 20,
                plan.diskBytes() >> 20);
        require(
                plan.memoryBytes() <= settings.machine().memoryBytes(),
                "--memory: got %d MB, want %d MB for one block in training: give more, or take fewer --tokens",
                settings.machine().memoryBytes() >> 20,
                plan.memoryBytes() >> 20);
    }

    private SaliencyPass.Result saliency(List<int[]> windows, String modelHash) throws IOException {
        List<int[]> own = windows.subList(0, settings.calibration().saliencySamples());
        return new SaliencyPass(
                        original.weights(), modelHash, settings.machine().cache())
                .run(own, device, listener);
    }

    /** Time and speed of a part of the run, and its share of what the machine can do. */
    private static String speed(double work, long nanos, Plan plan) {
        double rate = work / Math.max(1e-9, nanos / 1e9);
        return String.format(
                Locale.ROOT,
                "%.1f s, %.1f GFLOP/s of matrix products, %.0f %% of the measured %.1f",
                nanos / 1e9,
                rate / 1e9,
                100 * rate / plan.gemmRate(),
                plan.gemmRate() / 1e9);
    }

    private String note(Plan plan, Map<LinearId, Grid> kept) {
        return String.format(
                Locale.ROOT,
                "Quantized by Salient: %s, %.3f bits per weight in the block linears%s. Embeddings, norms and head are"
                        + " not quantized.%s The settings are in salient-run.json.",
                settings.method().name(),
                plan.bitsPerWeight(),
                kept.isEmpty() ? "" : "; in more bits than the others: " + kept.keySet(),
                settings.calibration().leading().intact()
                        ? " The original's keys and values of a text's first tokens are in intact_kv.safetensors, which only"
                                + " Salient reads: in other programs this is another, worse model."
                        : "");
    }

    private static ObjectNode results(Plan plan) {
        return new ObjectMapper().createObjectNode().put("bitsPerWeight", plan.bitsPerWeight());
    }

    /** Blocks as they are on disk. */
    private final class DiskBlocks implements BlockStream.Blocks, AutoCloseable {
        private final RunFolder folder;
        private final QuantizedFolder model;
        private final @Nullable FisherFile saliency;
        private final Arena arena = Arena.ofShared();
        private final int stepsPerBlock;
        private long nanos;
        private double work;
        private long blockBegan;

        DiskBlocks(RunFolder folder, QuantizedFolder model, @Nullable FisherFile saliency) {
            this.folder = folder;
            this.model = model;
            this.saliency = saliency;
            this.stepsPerBlock = switch (settings.method()) {
                case Method.PartialRetraining retraining ->
                    PartialRetrainer.stepsPerBlock(
                            retraining, settings.calibration().samples());
                case Method.Gsq gsq ->
                    Gsq.stepsPerBlock(gsq, settings.calibration().samples());
                case Method.Rtn rtn -> 1;
                case Method.Hqq hqq -> 1;
                case Method.ErrorAdapter adapter -> 1;
                case Method.Gptq gptq -> 1;
                case Method.Aqlm aqlm ->
                    CodebookTrainer.stepsPerBlock(aqlm, settings.calibration().samples());
            };
        }

        long stepsInAll() {
            return (long) stepsPerBlock * config.blockCount();
        }

        @Override
        public @Nullable Map<Linear, PackedWeight> findFinished(int block) throws IOException {
            if (!model.hasBlock(block) || !folder.hasCurve(block)) {
                blockBegan = System.nanoTime();
                return null;
            }
            listener.reached((long) stepsPerBlock * (block + 1));
            return model.readBlock(block, arena).linears();
        }

        @Override
        public void finish(int block, QuantizedBlock quantized) throws IOException {
            long took = System.nanoTime() - blockBegan;
            nanos += took;
            RunSettings.Calibration calibration = settings.calibration();
            work += Plan.trainingWork(config, settings.method(), calibration.samples(), calibration.tokens())
                    / config.blockCount();
            folder.writeCurve(block, quantized.curve());
            BlockWeights stored = original.weights().blocks().get(block);
            model.writeBlock(block, stored.withLinears(quantized.linears()));
            List<QuantizedBlock.Epoch> curve = quantized.curve();
            String losses = curve.isEmpty()
                    ? ""
                    : String.format(
                            Locale.ROOT,
                            ", output loss %.5g -> %.5g",
                            curve.getFirst().outputLoss(),
                            curve.getLast().outputLoss());
            folder.log(String.format(Locale.ROOT, "block %d: %.1f s%s", block, took / 1e9, losses));
            listener.reached((long) stepsPerBlock * (block + 1));
        }

        @Override
        public Map<Linear, Tensor> fisher(int block) throws IOException {
            return Objects.requireNonNull(saliency).read(block, device);
        }

        @Override
        public @Nullable Tensor findEnergy(LinearId id) {
            float[] known = imatrix == null ? null : imatrix.find(id);
            return known == null ? null : device.floats(known, known.length);
        }

        @Override
        public void onStep(int block, int step) {
            listener.reached((long) stepsPerBlock * block + step);
        }

        @Override
        public void close() {
            arena.close();
        }
    }
}
