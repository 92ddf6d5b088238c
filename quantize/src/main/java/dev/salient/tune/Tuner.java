package dev.salient.tune;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.calibration.Activations;
import dev.salient.method.Cosine;
import dev.salient.method.Tuning;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.torch.NumericException;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import dev.salient.tune.TunedWeight.Rates;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/**
 * Tunes a quantized model so that its next-token distributions come near the original's: every step moves what may move
 * along the gradient of {@code KL(original || tuned)}, with Adam.
 *
 * <p>What a step does follows from the settings and the step's number alone, so that a run taken up from its state equals
 * one that was never interrupted.
 */
public final class Tuner implements AutoCloseable {
    private final Tuning tuning;
    private final Text text;
    private final TorchDevice device;
    private final TorchScope scope = new TorchScope();
    private final List<TunedBlock> blocks = new ArrayList<>();
    private final TunedEnds ends;
    private final Distillation distillation;
    private final ModelConfig config;
    private final int steps;
    /** The saliency term before the first step. */
    private final double preservation;

    private double lambda;
    private int done;

    /**
     * What is learned from.
     *
     * @param training windows, token ids, all of one length
     * @param heldOut windows of the same length to measure on
     * @param seed of the windows' order
     */
    public record Text(List<int[]> training, List<int[]> heldOut, long seed) {
        public Text {
            require(!training.isEmpty(), "training: got no windows, want at least one");
            require(!heldOut.isEmpty(), "held out: got no windows, want at least one");
            training = List.copyOf(training);
            heldOut = List.copyOf(heldOut);
        }

        /** All windows, those for training first. */
        List<int[]> all() {
            List<int[]> all = new ArrayList<>(training);
            all.addAll(heldOut);
            return all;
        }
    }

    /**
     * How much is in memory at once.
     *
     * @param graphs of how many blocks of one window the graph may be kept until its gradient is taken
     * @param windows of a batch that one pass computes
     * @param rows of logits
     */
    public record Room(int graphs, int windows, int rows) {
        public Room {
            require(graphs >= 0, "graphs: got %d, want 0 or more", graphs);
            require(windows > 0, "windows: got %d, want 1 or more", windows);
            require(rows > 0, "rows: got %d, want 1 or more", rows);
        }
    }

    /**
     * A run before its first step.
     *
     * @param quantized GroupAffine and AdditiveCodebook linears move, with or without adapters; others stay; embedding, final norm and head move where
     *     the settings have a rate for them
     * @param saliency F of a block's linears, where the settings' {@link Tuning#pull} wants the Fisher one
     * @param wanted room for hidden states, one sample for each window of the text; the caller closes it
     */
    public Tuner(
            ModelWeights original,
            ModelWeights quantized,
            Tuning tuning,
            Text text,
            IntFunction<Map<Linear, Tensor>> saliency,
            Activations wanted,
            Room room,
            TorchDevice device) {
        this.tuning = tuning;
        this.text = text;
        this.device = device;
        this.steps = steps(tuning, text.training().size());
        this.config = original.config();
        try {
            this.ends = new TunedEnds(quantized, tuning.embeddingRate() > 0, device);
            this.distillation = start(original, quantized, saliency, wanted, room);
            this.preservation = tuning.pull().lambda() == 0
                    ? 0
                    : blocks.stream().mapToDouble(TunedBlock::preservation).sum();
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private Distillation start(
            ModelWeights original,
            ModelWeights quantized,
            IntFunction<Map<Linear, Tensor>> saliency,
            Activations wanted,
            Room room) {
        TorchLanguageModel teacher = TorchLanguageModel.load(original, device);
        int linears = 0;
        for (int b = 0; b < teacher.blocks().size(); b++) {
            BlockWeights stored = quantized.blocks().get(b);
            Map<Linear, Tensor> own = tuning.pull().needsFisher() ? saliency.apply(b) : Map.of();
            long seed = text.seed() * teacher.blocks().size() + b;
            TunedBlock block = new TunedBlock(config, stored, teacher.blocks().get(b), tuning, own, device, seed);
            blocks.add(block);
            linears += block.tunedLinears();
        }
        require(
                linears > 0,
                "tuning: got a model without linears in groups, want one that quantize wrote; Q2_K takes"
                        + " --method weights alone");
        return new Distillation(
                teacher,
                ends.around(blocks.stream().map(TunedBlock::block).toList()),
                text.all(),
                wanted,
                room,
                device);
    }

    /** Steps that a run takes; a rest smaller than a batch is left out of each epoch. */
    public static int steps(Tuning tuning, int windows) {
        require(windows >= tuning.batch(), "batch: got %d, want at most the %d windows", tuning.batch(), windows);
        return tuning.epochs() * (windows / tuning.batch());
    }

    public int stepsInAll() {
        return steps;
    }

    public int stepsDone() {
        return done;
    }

    /**
     * Sets the saliency term in relation to the divergence before the first step.
     *
     * @param divergence nats a token
     */
    public void startedFrom(double divergence) {
        lambda = preservation == 0 ? 0 : tuning.pull().lambda() * divergence / preservation;
    }

    /**
     * Takes the next step.
     *
     * @return the mean KL divergence over the step's windows before it, nats a token
     * @throws NumericException where it is not finite
     */
    public double step() {
        require(done < steps, "tuning: got a step after the last, want at most %d", steps);
        double factor = Cosine.factor(done, steps);
        Rates rates = new Rates(
                        tuning.weightRate(),
                        tuning.scaleRate(),
                        tuning.adapterRate(),
                        tuning.normRate(),
                        tuning.codeSteps().rate())
                .times(factor);
        double loss = distillation.differentiate(
                batch(done), block -> blocks.get(block).step(rates, lambda));
        ends.step(tuning.embeddingRate() * factor, rates.norm());
        if (!Double.isFinite(loss)) {
            throw new NumericException("step %d: the loss came to %s; try lower rates", done + 1, loss);
        }
        done++;
        return loss;
    }

    private List<Integer> batch(int step) {
        int inEpoch = text.training().size() / tuning.batch();
        List<Integer> order = new ArrayList<>(
                IntStream.range(0, text.training().size()).boxed().toList());
        Collections.shuffle(order, new Random(text.seed() * 31 + step / inEpoch));
        int from = step % inEpoch * tuning.batch();
        return order.subList(from, from + tuning.batch());
    }

    /** The stored form of the model as it is now. */
    public ModelWeights pack() {
        return ends.pack(blocks.parallelStream().map(TunedBlock::pack).toList());
    }

    /** The mean KL divergence of a model, as it is stored, over the held-out windows; nats a token. */
    public double heldOutLoss(ModelWeights packed) {
        int first = text.training().size();
        List<Integer> samples =
                IntStream.range(first, first + text.heldOut().size()).boxed().toList();
        try (TorchScope here = new TorchScope()) {
            return distillation.loss(
                    samples,
                    ends.ends(packed),
                    block -> TorchLanguageModel.loadExactBlock(
                            config, block, packed.blocks().get(block), device));
        }
    }

    /** All that a later run needs to go on alike, by name. */
    public Map<String, Tensor> state() {
        Map<String, Tensor> state = new LinkedHashMap<>();
        ends.state().forEach((name, part) -> state.put("ends." + name, part));
        for (int b = 0; b < blocks.size(); b++) {
            String prefix = b + ".";
            blocks.get(b).state().forEach((name, part) -> state.put(prefix + name, part));
        }
        return state;
    }

    /** Hears that {@link #state} was overwritten with that after so many steps. */
    public void restored(int stepsDone) {
        require(stepsDone >= 0 && stepsDone <= steps, "steps done: got %d, want 0 to %d", stepsDone, steps);
        done = stepsDone;
        ends.restored(stepsDone);
        blocks.forEach(block -> block.restored(stepsDone));
    }

    public TorchDevice device() {
        return device;
    }

    @Override
    public void close() {
        blocks.forEach(TunedBlock::close);
        ends.close();
        scope.close();
    }
}
