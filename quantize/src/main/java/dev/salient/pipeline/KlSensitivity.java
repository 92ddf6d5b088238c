package dev.salient.pipeline;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.calibration.Activations;
import dev.salient.calibration.Stream;
import dev.salient.format.json.JsonFiles;
import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.packed.PackedWeight;
import dev.salient.quantizer.RoundToNearest;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchBlock;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchLanguageModel.Block;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import org.bytedeco.pytorch.Tensor;

/**
 * What rounding one linear alone does to a model's next tokens: the mean over the windows' tokens of {@code KL(original ||
 * rounded)}, nats.
 *
 * <p>The twins of a block, each with one linear in one grid, go through all later blocks side by side, so that no block is loaded
 * for one of them alone. Still a model of n blocks computes n / 2 blocks and a head for each linear and grid.
 */
final class KlSensitivity {
    /** Tokens that are looked at, in whole windows; at least one window is. */
    private static final int TOKENS = 1024;

    private static final ObjectMapper JSON = new ObjectMapper();

    private final ModelWeights model;
    private final ModelConfig config;
    private final Grid plain;
    private final List<int[]> windows;
    private final TorchDevice device;
    private final Rope rope;

    /**
     * For these windows.
     *
     * @param plain the grid that a linear is in if it is not moved to a richer one
     * @param windows token ids, all of one length; the first are looked at, 1,024 tokens or one window
     */
    KlSensitivity(ModelWeights model, Grid plain, List<int[]> windows, TorchDevice device) {
        this.model = model;
        this.config = model.config();
        this.plain = plain;
        this.windows = windows.subList(0, Math.clamp(TOKENS / windows.getFirst().length, 1, windows.size()));
        this.device = device;
        this.rope = Rope.of(config, windows.getFirst().length, device);
    }

    /**
     * The divergence of each linear in each of {@link BitBudget#grids}.
     *
     * @param cache folder of this model; what is in it is not measured again
     */
    Map<LinearId, Map<Grid, Double>> run(Path cache, RunListener listener) throws IOException {
        String name =
                SaliencyPass.hash(windows).substring(0, 16) + plain.toString().replaceAll("\\W+", "-");
        Path folder = Files.createDirectories(cache.resolve(name));
        Map<LinearId, Map<Grid, Double>> all = new TreeMap<>();
        int blocks = config.blockCount();
        long reached = 0;
        listener.began("sensitivity", (long) blocks * (blocks + 1) / 2 + (long) blocks * headSteps());
        try (TorchScope scope = new TorchScope();
                Activations states = room(1);
                Activations last = room(1)) {
            Stream.embed(model, windows, states, device);
            last.setAll(states);
            for (int block = 0; block < blocks; block++) {
                advance(block, last);
            }
            TorchLanguageModel ends = TorchLanguageModel.loadEnds(model, device);
            for (int block = 0; block < blocks; block++) {
                Path file = folder.resolve("block-%03d.json".formatted(block));
                long before = reached;
                if (!Files.exists(file)) {
                    List<Twin> twins = twins(block);
                    double[] found = measure(twins, states, last, ends, done -> listener.reached(before + done));
                    write(twins, found, file);
                }
                read(file, twins(block), all);
                advance(block, states);
                listener.reached(reached += blocks - block + headSteps());
            }
        }
        return all;
    }

    /** How many blocks the head costs as much as. */
    private int headSteps() {
        long inBlock = config.linearWeightCount() / config.blockCount();
        return Math.toIntExact(Math.ceilDiv((long) config.vocabSize() * config.hiddenSize(), inBlock));
    }

    /** A block with one linear rounded. */
    private record Twin(LinearId id, Grid grid) {}

    private List<Twin> twins(int block) {
        return Arrays.stream(Linear.values())
                .flatMap(linear -> BitBudget.grids(plain, linear.in(config)).stream()
                        .map(grid -> new Twin(new LinearId(block, linear), grid)))
                .toList();
    }

    /**
     * The divergence of each twin.
     *
     * @param states the original's before the twins' block
     * @param last the original's behind its last block
     */
    private double[] measure(
            List<Twin> twins, Activations states, Activations last, TorchLanguageModel ends, LongConsumer onStep) {
        int block = twins.getFirst().id.block();
        try (Activations rounded = room(twins.size())) {
            try (TorchScope scope = new TorchScope()) {
                enter(TorchLanguageModel.loadBlock(model, block, device), twins, states, rounded);
            }
            onStep.accept(1);
            for (int later = block + 1; later < config.blockCount(); later++) {
                advance(later, rounded);
                onStep.accept(later - block + 1L);
            }
            return divergences(rounded, last, ends, twins.size());
        }
    }

    /** Overwrites {@code outputs} with all windows of the first twin, then those of the second and so on. */
    private void enter(Block block, List<Twin> twins, Activations states, Activations outputs) {
        int at = 0;
        for (Twin twin : twins) {
            try (TorchScope scope = new TorchScope()) {
                Linear linear = twin.id.linear();
                Map<Linear, Tensor> weights = new EnumMap<>(block.weights());
                PackedWeight packed =
                        RoundToNearest.quantize(block.weight(linear), twin.grid, Start.SQUARED_ERROR, device);
                weights.put(linear, device.exactValues(packed));
                Block rounded = new Block(block.block(), weights);
                for (int w = 0; w < windows.size(); w++) {
                    outputs.set(at++, rounded.forward(states.get(w, device), rope));
                }
            }
        }
    }

    private void advance(int block, Activations through) {
        try (TorchScope scope = new TorchScope()) {
            Stream.advance(through, through, rope, device, TorchLanguageModel.loadBlock(model, block, device));
        }
    }

    /** {@code KL(p || q)}, the sum of {@code p (log p - log q)}. */
    private double[] divergences(Activations rounded, Activations last, TorchLanguageModel ends, int twins) {
        double[] means = new double[twins];
        double tokens = (double) windows.size() * last.tokens();
        for (int w = 0; w < windows.size(); w++) {
            try (TorchScope outer = new TorchScope()) {
                Tensor logP = logProbabilities(last.get(w, device), ends);
                Tensor p = logP.exp();
                for (int t = 0; t < twins; t++) {
                    try (TorchScope inner = new TorchScope()) {
                        Tensor logQ = logProbabilities(rounded.get(t * windows.size() + w, device), ends);
                        means[t] += logP.sub(logQ).mul_(p).sum().item_double() / tokens;
                    }
                }
            }
        }
        return means;
    }

    private Tensor logProbabilities(Tensor states, TorchLanguageModel ends) {
        Tensor normed = TorchBlock.norm(states, ends.finalNorm(), config.normEpsilon());
        return TorchLanguageModel.logits(normed, ends.head(), config).log_softmax(-1);
    }

    private Activations room(int twins) {
        return Activations.inMemory(
                new Activations.Size(twins * windows.size(), windows.getFirst().length, config.hiddenSize()));
    }

    private static void write(List<Twin> twins, double[] found, Path file) throws IOException {
        ObjectNode json = JSON.createObjectNode();
        for (int t = 0; t < found.length; t++) {
            Twin twin = twins.get(t);
            json.withObjectProperty(twin.id.linear().label()).put(twin.grid.toString(), found[t]);
        }
        JsonFiles.write(file, json);
    }

    private static void read(Path file, List<Twin> twins, Map<LinearId, Map<Grid, Double>> into) throws IOException {
        JsonNode json = JSON.readTree(Files.readAllBytes(file));
        for (Twin twin : twins) {
            JsonNode found = json.path(twin.id.linear().label()).path(twin.grid.toString());
            if (!found.isNumber()) {
                throw new IOException("%s: got no divergence of %s in %s; delete this cache folder"
                        .formatted(file, twin.id, twin.grid));
            }
            into.computeIfAbsent(twin.id, id -> new HashMap<>()).put(twin.grid, found.doubleValue());
        }
    }
}
