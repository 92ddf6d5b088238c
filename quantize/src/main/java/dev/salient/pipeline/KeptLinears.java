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
     * @param fisher where the settings have a target of bits, which the rest of it buys grids for; else null
     */
    Map<LinearId, Grid> of(List<int[]> windows, SaliencyPass.@Nullable Result fisher, RunListener listener)
            throws IOException {
        Map<LinearId, Grid> kept = makers(windows);
        if (kept.size() > settings.kept().size()) {
            listener.note("kept in 8 bits, since they make massive activations: " + kept.keySet());
        }
        if (fisher != null) {
            Map<LinearId, Grid> bought = bought(kept, fisher.file(), listener);
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

    /** Linears that the bits left over buy a richer grid. */
    private Map<LinearId, Grid> bought(Map<LinearId, Grid> kept, FisherFile fisher, RunListener listener)
            throws IOException {
        ModelConfig config = model.config();
        double plain = bitsPerWeight(kept);
        require(
                targetBits >= plain,
                "--target-bpw: got %s, want at least %.3f, what the method's grid takes%s",
                settings.targetBits(),
                plain + settings.targetBits() - targetBits,
                kept.isEmpty() ? "" : " with the linears that are kept");
        Map<LinearId, List<BitBudget.Choice>> choices = new TreeMap<>();
        double budget = (targetBits - plain) * config.linearWeightCount();
        listener.began("bits", config.blockCount());
        for (int block = 0; block < config.blockCount(); block++) {
            try (TorchScope scope = new TorchScope()) {
                Map<Linear, Tensor> saliency = fisher.read(block, device);
                for (Linear linear : Linear.values()) {
                    LinearId id = new LinearId(block, linear);
                    if (!kept.containsKey(id)) {
                        List<BitBudget.Choice> own = choices(id, Objects.requireNonNull(saliency.get(linear)));
                        choices.put(id, own);
                        budget += own.getFirst().bits();
                    }
                }
            }
            listener.reached(block + 1L);
        }
        return BitBudget.spend(choices, budget);
    }

    private List<BitBudget.Choice> choices(LinearId id, Tensor fisher) {
        Tensor weight =
                device.halfPrecisionValues(model.blocks().get(id.block()).linear(id.linear()));
        Method method = settings.method();
        double adapterBits = method.adapterBits(weight.size(0), weight.size(1));
        return BitBudget.choices(weight, fisher, method.grid(), adapterBits, device);
    }

    private double bitsPerWeight(Map<LinearId, Grid> kept) {
        return Plan.bitsPerWeight(model.config(), settings.method(), kept);
    }
}
