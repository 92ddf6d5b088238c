package dev.salient.pipeline;

import dev.salient.calibration.Activations;
import dev.salient.calibration.InputSums;
import dev.salient.calibration.Stream;
import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.method.Preservation.Saliency;
import dev.salient.model.BlockWeights;
import dev.salient.model.IntactKv;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelWeights;
import dev.salient.packed.PackedWeight;
import dev.salient.quantizer.BlockTask;
import dev.salient.quantizer.CodebookTrainer;
import dev.salient.quantizer.ErrorAdapter;
import dev.salient.quantizer.Gptq;
import dev.salient.quantizer.Gsq;
import dev.salient.quantizer.Hqq;
import dev.salient.quantizer.PartialRetrainer;
import dev.salient.quantizer.QuantizedBlock;
import dev.salient.quantizer.RoundToNearest;
import dev.salient.saliency.Saliencies;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntConsumer;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Quantizes a model block after block, with the two streams of hidden states that the methods look at: <em>clean</em>,
 * what the original model feeds a block, and <em>degraded</em>, what the already quantized blocks feed it.
 *
 * <p>Beside the streams no more than one block is in memory.
 */
final class BlockStream {
    private final ModelWeights model;
    private final Settings settings;
    private final Blocks blocks;

    /**
     * What does not change from block to block.
     *
     * @param kept linears with a grid of their own
     * @param ranks of adapters, where linears have ranks of their own; empty: all have the method's
     * @param windows calibration samples, token ids, all of one length; empty for a method without data
     * @param intact keys and values that quantized blocks use for the tokens that all windows begin with, or null
     * @param spill a folder for hidden states that are not to stay in memory, or null
     */
    record Settings(
            Method method,
            Map<LinearId, Grid> kept,
            Map<LinearId, Integer> ranks,
            List<int[]> windows,
            @Nullable IntactKv intact,
            long seed,
            TorchDevice device,
            @Nullable Path spill) {}

    /** Where finished blocks are kept and saliencies come from, and who hears of progress. */
    interface Blocks {
        /** A block that an earlier run finished, or null. */
        @Nullable
        Map<Linear, PackedWeight> findFinished(int block) throws IOException;

        /** Stores a block for good. */
        void finish(int block, QuantizedBlock quantized) throws IOException;

        /** The Fisher information of each linear, for a method that needs it. */
        Map<Linear, Tensor> fisher(int block) throws IOException;

        /** The mean energy of each input channel of a linear where it is known beforehand, [in], or null. */
        @Nullable
        Tensor findEnergy(LinearId id);

        /** Hears that so many steps of a block's training are done. */
        void onStep(int block, int step);
    }

    BlockStream(ModelWeights model, Settings settings, Blocks blocks) {
        this.model = model;
        this.settings = settings;
        this.blocks = blocks;
    }

    /** Quantizes all blocks that are not finished. */
    void run() throws IOException {
        switch (settings.method) {
            case Method.Rtn rtn ->
                withoutData((id, grid, weight) -> RoundToNearest.quantize(weight, grid, rtn.start(), settings.device));
            case Method.Hqq hqq ->
                withoutData((id, grid, weight) -> Hqq.quantize(weight, new Method.Hqq(grid, hqq.start())));
            case Method.ErrorAdapter adapter -> adapt(adapter);
            case Method.Gptq gptq -> compensate(gptq);
            case Method.Aqlm aqlm ->
                withInputs((index, original, inputs, rope) -> {
                    long seed = settings.seed * 1_000_003 + index;
                    var task = new CodebookTrainer.Task(index, original, inputs, rope, settings.device, seed);
                    return CodebookTrainer.quantize(task, aqlm, step -> blocks.onStep(index, step));
                });
            case Method.Gsq gsq ->
                train((index, original, inputs, rope) -> Map.of(), (task, onStep) -> Gsq.quantize(task, gsq, onStep));
            case Method.PartialRetraining retraining ->
                train(
                        (index, original, inputs, rope) -> saliency(index, retraining, original, inputs, rope),
                        (task, onStep) -> PartialRetrainer.quantize(task, retraining, onStep));
        }
    }

    /** Quantizes one linear, [out, in], that is looked at alone. */
    @FunctionalInterface
    private interface OneLinear {
        PackedWeight quantize(LinearId id, Grid grid, Tensor weight);
    }

    private void withoutData(OneLinear quantizer) throws IOException {
        for (int index = 0; index < model.config().blockCount(); index++) {
            if (blocks.findFinished(index) != null) {
                continue;
            }
            Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
            for (Linear linear : Linear.values()) {
                try (TorchScope scope = new TorchScope()) {
                    Tensor weight = settings.device.halfPrecisionValues(
                            model.blocks().get(index).linear(linear));
                    LinearId id = new LinearId(index, linear);
                    Grid grid = settings.kept.getOrDefault(id, settings.method.grid());
                    linears.put(linear, quantizer.quantize(id, grid, weight));
                }
            }
            blocks.finish(index, new QuantizedBlock(linears, List.of()));
            blocks.onStep(index, 1);
        }
    }

    private void adapt(Method.ErrorAdapter method) throws IOException {
        if (!method.looksAtInputs()) {
            withoutData((id, grid, weight) -> adapted(method, id, weight, null));
            return;
        }
        withInputs((index, original, inputs, rope) -> {
            InputSums energies = InputSums.energies(original, inputs, rope, settings.device);
            Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
            for (Linear linear : Linear.values()) {
                Tensor energy = energies.mean(linear);
                LinearId id = new LinearId(index, linear);
                linears.put(linear, adapted(method, id, original.weight(linear), energy));
            }
            return new QuantizedBlock(linears, List.of());
        });
    }

    /** A linear with a grid of its own gets no adapter. */
    private PackedWeight adapted(Method.ErrorAdapter method, LinearId id, Tensor weight, @Nullable Tensor energy) {
        Grid own = settings.kept.get(id);
        return own == null
                ? ErrorAdapter.quantize(weight, energy, method, settings.device)
                : RoundToNearest.quantize(weight, own, method.start(), settings.device);
    }

    private void compensate(Method.Gptq method) throws IOException {
        withInputs((index, original, inputs, rope) -> {
            InputSums grams = InputSums.grams(original, inputs, rope, settings.device);
            Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
            for (Linear linear : Linear.values()) {
                Grid grid = settings.kept.getOrDefault(new LinearId(index, linear), method.grid());
                Method.Gptq own = new Method.Gptq(grid, method.start(), method.damping(), method.actOrder());
                linears.put(linear, Gptq.quantize(original.weight(linear), grams.of(linear), own, settings.device));
            }
            return new QuantizedBlock(linears, List.of());
        });
    }

    /** Quantizes one block for what the quantized blocks before feed it. */
    @FunctionalInterface
    private interface OneBlock {
        QuantizedBlock quantize(int index, TorchLanguageModel.Block original, Activations inputs, Rope rope);
    }

    private void withInputs(OneBlock quantizer) throws IOException {
        int tokens = settings.windows.getFirst().length;
        Activations.Size size = new Activations.Size(
                settings.windows.size(), tokens, model.config().hiddenSize());
        try (Activations degraded = allocate(size, "degraded");
                TorchScope scope = new TorchScope()) {
            Rope rope = Rope.of(model.config(), tokens, settings.device);
            Stream.embed(model, settings.windows, degraded, settings.device);
            for (int index = 0; index < model.config().blockCount(); index++) {
                try (TorchScope inner = new TorchScope()) {
                    Map<Linear, PackedWeight> linears = blocks.findFinished(index);
                    if (linears == null) {
                        TorchLanguageModel.Block original = original(index);
                        QuantizedBlock quantized = quantizer.quantize(index, original, degraded, rope);
                        blocks.finish(index, quantized);
                        linears = quantized.linears();
                    }
                    degrade(index, degraded, rope, linears);
                }
            }
        }
    }

    /** F of each linear of a block, from its inputs on the clean stream. */
    @FunctionalInterface
    private interface BlockSaliency {
        Map<Linear, Tensor> of(int index, TorchLanguageModel.Block original, Activations inputs, Rope rope)
                throws IOException;
    }

    /** Trains one block on both streams. */
    @FunctionalInterface
    private interface BlockTraining {
        QuantizedBlock quantize(BlockTask task, IntConsumer onStep);
    }

    private void train(BlockSaliency rule, BlockTraining training) throws IOException {
        int tokens = settings.windows.getFirst().length;
        Activations.Size size = new Activations.Size(
                settings.windows.size(), tokens, model.config().hiddenSize());
        try (Activations clean = allocate(size, "clean");
                Activations degraded = allocate(size, "degraded");
                Activations scratch = allocate(size, "scratch");
                TorchScope scope = new TorchScope()) {
            Rope rope = Rope.of(model.config(), tokens, settings.device);
            Stream.embed(model, settings.windows, clean, settings.device);
            degraded.setAll(clean);
            for (int index = 0; index < model.config().blockCount(); index++) {
                try (TorchScope inner = new TorchScope()) {
                    TorchLanguageModel.Block original = original(index);
                    Map<Linear, PackedWeight> linears = blocks.findFinished(index);
                    Map<Linear, Tensor> saliency = linears == null ? rule.of(index, original, clean, rope) : Map.of();
                    if (linears == null) {
                        BlockTask task = new BlockTask(
                                index,
                                original,
                                clean,
                                degraded,
                                scratch,
                                ofBlock(index, settings.kept),
                                ofBlock(index, settings.ranks),
                                saliency,
                                rope,
                                settings.device,
                                settings.seed * 1_000_003 + index);
                        int block = index;
                        QuantizedBlock quantized = training.quantize(task, step -> blocks.onStep(block, step));
                        blocks.finish(index, quantized);
                        linears = quantized.linears();
                    } else {
                        Stream.advance(clean, clean, rope, settings.device, original);
                    }
                    degrade(index, degraded, rope, linears);
                }
            }
        }
    }

    /** F of each linear; empty where the method needs none. */
    private Map<Linear, Tensor> saliency(
            int block,
            Method.PartialRetraining method,
            TorchLanguageModel.Block original,
            Activations inputs,
            Rope rope)
            throws IOException {
        Map<Linear, Tensor> saliency = new EnumMap<>(Linear.class);
        if (!method.preserves()) {
            return saliency;
        }
        Saliency rule = method.preservation().saliency();
        Map<Linear, Tensor> fisher = rule.looksAtGradients() ? blocks.fisher(block) : Map.of();
        Map<Linear, Tensor> energies = rule.looksAtInputs() ? energies(block, original, inputs, rope) : Map.of();
        for (Linear linear : Linear.values()) {
            Tensor weight = original.weight(linear);
            int groupSize = method.grid().groupSizeFor(Math.toIntExact(weight.size(1)));
            saliency.put(
                    linear,
                    switch (rule) {
                        case FISHER -> Objects.requireNonNull(fisher.get(linear));
                        case FISHER_GROUP ->
                            Saliencies.groupMeans(Objects.requireNonNull(fisher.get(linear)), groupSize);
                        case ACTIVATION -> Saliencies.activation(weight, Objects.requireNonNull(energies.get(linear)));
                        case WANDA ->
                            Saliencies.weightTimesActivation(weight, Objects.requireNonNull(energies.get(linear)));
                        case UNIFORM -> Saliencies.uniform(weight);
                    });
        }
        return saliency;
    }

    /** Mean energies of the linears' input channels: those known beforehand, the others measured on the inputs. */
    private Map<Linear, Tensor> energies(int block, TorchLanguageModel.Block original, Activations inputs, Rope rope) {
        Map<Linear, Tensor> energies = new EnumMap<>(Linear.class);
        @Nullable InputSums measured = null;
        for (Linear linear : Linear.values()) {
            Tensor known = blocks.findEnergy(new LinearId(block, linear));
            if (known == null) {
                measured = measured == null ? InputSums.energies(original, inputs, rope, settings.device) : measured;
                known = measured.mean(linear);
            }
            energies.put(linear, known);
        }
        return energies;
    }

    /** Takes the degraded stream through a block as it is now stored. */
    private void degrade(int index, Activations degraded, Rope rope, Map<Linear, PackedWeight> linears) {
        BlockWeights packed = model.blocks().get(index).withLinears(linears);
        Stream.advance(
                degraded,
                degraded,
                rope,
                settings.device,
                TorchLanguageModel.loadExactBlock(model.config(), index, packed, settings.device)
                        .with(settings.intact, settings.device));
    }

    /**
     * A block with its original weights. It too has the intact keys and values: on the clean stream they are its own, but for rounding;
     * on the degraded stream it is to make of them what the quantized block shall.
     */
    private TorchLanguageModel.Block original(int index) {
        return TorchLanguageModel.loadBlock(model, index, settings.device).with(settings.intact, settings.device);
    }

    private static <T> Map<Linear, T> ofBlock(int block, Map<LinearId, T> all) {
        Map<Linear, T> own = new EnumMap<>(Linear.class);
        all.forEach((id, value) -> {
            if (id.block() == block) {
                own.put(id.linear(), value);
            }
        });
        return own;
    }

    private Activations allocate(Activations.Size size, String name) throws IOException {
        return settings.spill == null
                ? Activations.inMemory(size)
                : Activations.inFile(size, settings.spill.resolve(name));
    }
}
