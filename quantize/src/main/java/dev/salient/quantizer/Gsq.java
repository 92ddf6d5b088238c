package dev.salient.quantizer;

import dev.salient.calibration.InputSums;
import dev.salient.method.Cosine;
import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.method.Terms;
import dev.salient.model.Linear;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.PackedWeight;
import dev.salient.quantizer.QuantizedBlock.Epoch;
import dev.salient.torch.Lion;
import dev.salient.torch.NumericException;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntConsumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * GSQ (arXiv 2604.18556): codes are chosen by gradients, through a softmax over the codes that hardens while it is trained.
 *
 * <pre>
 * attention, then MLP:   minimise sum_t w_t ||y_t - block(h)_t||^2 + ||y_t - block(g)_t||^2
 * tau 2 -> 0.05, kappa 100 -> 500 over the steps;   Lion on logits and scales, rates along a cosine
 * </pre>
 *
 * <p>Differs from the reference in: the loss is that of the whole block, on both streams as in our partial retraining, the other half as
 * it was or as it was stored; scales move by their logarithm, so that a rate is relative; ternary weights have three logits, not sign and
 * mask; the soft assignment of half a block is kept for the backward pass.
 */
public final class Gsq {
    private static final List<List<Linear>> HALVES =
            List.of(List.of(Linear.Q, Linear.K, Linear.V, Linear.O), List.of(Linear.GATE, Linear.UP, Linear.DOWN));
    private static final double DAMPING = 0.01;
    private static final double FIRST_TAU = 2;
    private static final double LAST_TAU = 0.05;
    private static final double FIRST_KAPPA = 100;
    private static final double LAST_KAPPA = 500;

    private final BlockTask task;
    private final Method.Gsq method;
    /** What each linear multiplies with. */
    private final Map<Linear, Tensor> values = new EnumMap<>(Linear.class);

    private final Map<Linear, PackedWeight> packed = new EnumMap<>(Linear.class);
    private final BlockOutput loss;
    private final List<Epoch> curve = new ArrayList<>();
    private final IntConsumer onStep;
    private int steps;

    private Gsq(BlockTask task, Method.Gsq method, IntConsumer onStep) {
        this.task = task;
        this.method = method;
        this.onStep = onStep;
        for (Linear linear : Linear.values()) {
            Tensor weight = task.original().weight(linear);
            Grid own = task.kept().get(linear);
            if (own != null) {
                packed.put(linear, RoundToNearest.quantize(weight, own, method.start(), task.device()));
            }
            values.put(
                    linear,
                    own == null ? weight : task.device().exactValues(Objects.requireNonNull(packed.get(linear))));
        }
        loss = new BlockOutput(
                task, method.weighting(), (linear, x) -> torch.linear(x, Objects.requireNonNull(values.get(linear))));
    }

    /**
     * Trains one block.
     *
     * @param onStep told after each step how many steps of this block are done
     * @throws NumericException where a loss is not finite
     */
    public static QuantizedBlock quantize(BlockTask task, Method.Gsq method, IntConsumer onStep) {
        try (TorchScope scope = new TorchScope()) {
            torch.manual_seed(task.seed());
            InputSums grams = InputSums.grams(task.original(), task.degraded(), task.rope(), task.device());
            Gsq gsq = new Gsq(task, method, onStep);
            HALVES.forEach(half -> gsq.train(half, grams));
            return new QuantizedBlock(gsq.packed, gsq.curve);
        }
    }

    /** Steps that one block takes. */
    public static int stepsPerBlock(Method.Gsq method, int samples) {
        return HALVES.size() * samples * method.epochs();
    }

    private void train(List<Linear> half, InputSums grams) {
        Map<Linear, TrainedAssignments> trained = new EnumMap<>(Linear.class);
        Method.Gptq gptq = new Method.Gptq(method.grid(), method.start(), DAMPING, true);
        try (Lion optimizer = new Lion()) {
            for (Linear linear : half) {
                if (!packed.containsKey(linear)) {
                    GroupAffine start = (GroupAffine)
                            Gptq.quantize(task.original().weight(linear), grams.of(linear), gptq, task.device());
                    TrainedAssignments own = new TrainedAssignments(start, method.grid(), task.device());
                    optimizer.add(own.logits, 0);
                    optimizer.add(own.logs, 1);
                    trained.put(linear, own);
                    values.put(linear, own.values);
                }
            }
            int samples = task.degraded().samples();
            if (trained.isEmpty()) { // all linears of this half have grids of their own
                steps += method.epochs() * samples;
                onStep.accept(steps);
            }
            for (int epoch = 0; epoch < method.epochs() && !trained.isEmpty(); epoch++) {
                double mean = 0;
                for (int sample = 0; sample < samples; sample++) {
                    mean += step(trained, optimizer, sample, epoch * samples + sample) / samples;
                    onStep.accept(++steps);
                }
                curve.add(new Epoch(half.contains(Linear.Q) ? "attention" : "mlp", epoch, mean, 0));
            }
        }
        trained.forEach((linear, own) -> {
            own.forget();
            GroupAffine stored = own.pack();
            packed.put(linear, stored);
            values.put(linear, task.device().exactValues(stored));
        });
    }

    private double step(Map<Linear, TrainedAssignments> trained, Lion optimizer, int sample, int step) {
        try (TorchScope scope = new TorchScope()) {
            int all = task.degraded().samples() * method.epochs();
            double done = (double) step / Math.max(1, all - 1);
            double tau = FIRST_TAU * Math.pow(LAST_TAU / FIRST_TAU, done);
            double kappa = FIRST_KAPPA + (LAST_KAPPA - FIRST_KAPPA) * done;
            trained.values().forEach(own -> own.soften(own.noise(), kappa, tau));
            double output = 0;
            if (!trained.isEmpty()) {
                Tensor own = loss.of(sample, Terms.NONE);
                own.backward();
                output = own.item_double();
            }
            if (!Double.isFinite(output)) {
                throw new NumericException(
                        "block %d, gsq, sample %d: the loss came to %s; try a lower learning rate",
                        task.index(), sample, output);
            }
            List<Tensor> gradients = new ArrayList<>();
            trained.values().forEach(own -> gradients.addAll(own.gradients()));
            double rate = Cosine.factor(step, all);
            optimizer.step(gradients, rate * method.logitRate(), rate * method.scaleRate());
            return output;
        }
    }
}
