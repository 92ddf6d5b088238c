package dev.salient.quantizer;

import dev.salient.calibration.Activations;
import dev.salient.method.Terms;
import dev.salient.method.TokenWeighting;
import dev.salient.model.Linear;
import dev.salient.torch.TorchBlock.Linears;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * {@code sum over linears sum_t w_t ||(X_q W_eff^T)_t - (X W^T)_t||^2} of linears with the same inputs (ApiQ, section 4.1).
 *
 * <p>X is what the original model feeds the linears, X_q what the quantized one does, with all linears before them quantized.
 */
final class LinearOutput implements OutputLoss, AutoCloseable {
    /** Linears with the same inputs, in the order in which a block computes. */
    static final List<List<Linear>> GROUPS = List.of(
            List.of(Linear.Q, Linear.K, Linear.V),
            List.of(Linear.O),
            List.of(Linear.GATE, Linear.UP),
            List.of(Linear.DOWN));

    private final BlockTask task;
    private final Map<Linear, InTraining> linears;
    private final Activations clean;
    private final Activations degraded;
    private final Map<Linear, List<Tensor>> weights = new EnumMap<>(Linear.class);

    /**
     * Of some linears of a task whose streams are the block's inputs.
     *
     * @param linears of one group, not empty
     * @param before the quantized block, as far as it computes before this group
     */
    LinearOutput(BlockTask task, TokenWeighting weighting, Map<Linear, InTraining> linears, Linears before) {
        this.task = task;
        this.linears = linears;
        Linear site = linears.keySet().iterator().next();
        Activations.Size size = new Activations.Size(
                task.clean().samples(),
                task.clean().tokens(),
                Math.toIntExact(task.original().weight(site).size(1)));
        clean = Activations.inMemory(size);
        degraded = Activations.inMemory(size);
        linears.keySet().forEach(linear -> weights.put(linear, new ArrayList<>()));
        for (int sample = 0; sample < size.samples(); sample++) {
            capture(task.clean(), sample, site, this::original, clean);
            capture(task.degraded(), sample, site, before, degraded);
            for (Linear linear : linears.keySet()) {
                try (TorchScope scope = new TorchScope()) {
                    Tensor weight = TokenWeights.of(
                            target(linear, sample), weighting, task.original().block(), task.device());
                    Objects.requireNonNull(weights.get(linear)).add(scope.keep(weight));
                }
            }
        }
    }

    private void capture(Activations stream, int sample, Linear site, Linears block, Activations into) {
        try (TorchScope scope = new TorchScope()) {
            task.original().block().forward(stream.get(sample, task.device()), task.rope(), (linear, x) -> {
                if (linear == site) {
                    into.set(sample, x);
                }
                return block.apply(linear, x);
            });
        }
    }

    private Tensor original(Linear linear, Tensor x) {
        return torch.linear(x, task.original().weight(linear));
    }

    private Tensor target(Linear linear, int sample) {
        return original(linear, clean.get(sample, task.device()));
    }

    @Override
    public Tensor of(int sample, Terms terms) {
        Tensor x = degraded.get(sample, task.device());
        Tensor sum = task.device().zeros();
        for (Map.Entry<Linear, InTraining> entry : linears.entrySet()) {
            Linear linear = entry.getKey();
            Tensor y = entry.getValue().apply(x);
            Tensor weight = Objects.requireNonNull(weights.get(linear)).get(sample);
            sum = sum.add(y.sub(target(linear, sample)).square().mul(weight).sum());
        }
        return sum;
    }

    @Override
    public void close() {
        clean.close();
        degraded.close();
    }
}
