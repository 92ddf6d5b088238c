package dev.salient.pipeline;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.saliency.FisherFile;
import dev.salient.saliency.MassiveActivations;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Which linears of a run get a grid of their own: by the user's word, as makers of massive activations, or bought.
 *
 * @param targetBits for each weight, of linears and adapters alone
 */
record KeptLinears(ModelWeights model, RunSettings settings, double targetBits, TorchDevice device) {
    /** Windows in which massive activations are looked for. */
    private static final int PIVOT_WINDOWS = 4;

    /** The grid that a maker of massive activations is kept in. */
    private static final Grid KEPT_GRID = new Grid.Signed(8, 64);

    /**
     * All of them.
     *
     * @param fisher where the settings have a target of bits and choose by it; else null
     * @param cache folder for measured sensitivities of this model
     */
    Map<LinearId, Grid> of(List<int[]> windows, @Nullable FisherFile fisher, Path cache, RunListener listener)
            throws IOException {
        Map<LinearId, Grid> kept = makers(windows);
        if (kept.size() > settings.kept().size()) {
            listener.note("kept in 8 bits, since they make massive activations: " + kept.keySet());
        }
        if (settings.target().bits() > 0) {
            requireRoom(kept);
            Map<LinearId, Map<Grid, Double>> losses = fisher == null
                    ? new KlSensitivity(model, settings.method().grid(), windows, device).run(cache, listener)
                    : expectedLosses(fisher, listener);
            Map<LinearId, Grid> bought = bought(kept, losses);
            listener.note("in more bits than the others: " + bought.keySet());
            kept.putAll(bought);
        }
        return kept;
    }

    /** Linears kept by the user's word, and those that the budget pays for. */
    private Map<LinearId, Grid> makers(List<int[]> windows) {
        Map<LinearId, Grid> kept = new TreeMap<>(settings.kept());
        if (settings.budget() == 0) {
            return kept;
        }
        double plain = bitsPerWeight(kept);
        List<int[]> few = windows.subList(0, Math.min(PIVOT_WINDOWS, windows.size()));
        for (MassiveActivations.Maker maker : MassiveActivations.find(model, few, device)) {
            for (Linear linear : List.of(Linear.DOWN, Linear.UP, Linear.GATE)) {
                Map<LinearId, Grid> more = new TreeMap<>(kept);
                more.putIfAbsent(new LinearId(maker.block(), linear), KEPT_GRID);
                if (bitsPerWeight(more) - plain <= settings.budget()) {
                    kept = more;
                }
            }
        }
        return kept;
    }

    private void requireRoom(Map<LinearId, Grid> kept) {
        double plain = bitsPerWeight(kept);
        double asked = settings.target().bits();
        require(
                targetBits >= plain,
                "--target-bpw: got %s, want at least %.3f, what the method's grid takes%s",
                asked,
                plain + asked - targetBits,
                kept.isEmpty() ? "" : " with the linears that are kept");
    }

    /** Linears that the bits left over buy a richer grid. */
    private Map<LinearId, Grid> bought(Map<LinearId, Grid> kept, Map<LinearId, Map<Grid, Double>> losses) {
        ModelConfig config = model.config();
        Map<LinearId, List<BitBudget.Choice>> choices = new TreeMap<>();
        double budget = (targetBits - bitsPerWeight(kept)) * config.linearWeightCount();
        for (Map.Entry<LinearId, Map<Grid, Double>> entry : losses.entrySet()) {
            LinearId id = entry.getKey();
            if (!kept.containsKey(id)) {
                List<BitBudget.Choice> own = choices(id.linear(), entry.getValue());
                choices.put(id, own);
                budget += own.getFirst().bits();
            }
        }
        return BitBudget.spend(choices, budget);
    }

    /** The choices of a linear, the plain grid first. */
    private List<BitBudget.Choice> choices(Linear linear, Map<Grid, Double> losses) {
        Method method = settings.method();
        int out = linear.out(model.config());
        int in = linear.in(model.config());
        List<BitBudget.Choice> choices = new ArrayList<>();
        for (Grid grid : BitBudget.grids(method.grid(), in)) {
            double codes = grid.bitsPerWeight(out, in) * out * in;
            double bits = grid.equals(method.grid()) ? codes + method.adapterBits(out, in) : codes;
            choices.add(new BitBudget.Choice(grid, bits, Objects.requireNonNull(losses.get(grid))));
        }
        return choices;
    }

    private Map<LinearId, Map<Grid, Double>> expectedLosses(FisherFile fisher, RunListener listener)
            throws IOException {
        Map<LinearId, Map<Grid, Double>> losses = new TreeMap<>();
        listener.began("bits", model.config().blockCount());
        for (int block = 0; block < model.config().blockCount(); block++) {
            try (TorchScope scope = new TorchScope()) {
                for (Map.Entry<Linear, Tensor> entry :
                        fisher.read(block, device).entrySet()) {
                    Linear linear = entry.getKey();
                    Tensor weight =
                            device.halfPrecisionValues(model.blocks().get(block).linear(linear));
                    Map<Grid, Double> own = new HashMap<>();
                    for (Grid grid : BitBudget.grids(settings.method().grid(), linear.in(model.config()))) {
                        own.put(grid, BitBudget.expectedLoss(weight, entry.getValue(), grid, device));
                    }
                    losses.put(new LinearId(block, linear), own);
                }
            }
            listener.reached(block + 1L);
        }
        return losses;
    }

    private double bitsPerWeight(Map<LinearId, Grid> kept) {
        return Plan.bitsPerWeight(model.config(), settings.method(), kept);
    }
}
