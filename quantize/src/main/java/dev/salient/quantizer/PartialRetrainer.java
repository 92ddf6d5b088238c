package dev.salient.quantizer;

import dev.salient.fakequant.FakeQuant;
import dev.salient.fakequant.FakeQuant.Weighting;
import dev.salient.fakequant.FusedFakeQuant;
import dev.salient.fakequant.TensorFakeQuant;
import dev.salient.method.Cosine;
import dev.salient.method.Grid;
import dev.salient.method.Method.PartialRetraining;
import dev.salient.method.Preservation;
import dev.salient.method.Stage;
import dev.salient.model.Linear;
import dev.salient.packed.PackedWeight;
import dev.salient.quantizer.QuantizedBlock.Epoch;
import dev.salient.torch.AdamW;
import dev.salient.torch.NumericException;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.IntConsumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Block-wise training of clipping and adapters with saliency-aware weight preservation: ApiQ (arXiv 2402.05147, section 4)
 * and ULB-SAPR (arXiv 2504.13932, section 3).
 *
 * <pre>
 * output = sum_t w1_t ||y_t - block(h)_t||^2 + w2_t ||y_t - block(g)_t||^2,   y = qblock(g)
 * reg    = sum over linears, sum over elements of F (W_eff - W)^2
 * wpt: lambda reg      mixed: output + lambda reg      opt: output
 * </pre>
 *
 * <p>h is the original model's input of the block, g the quantized model's. Differs from the reference in: fp32
 * throughout; a group's range always holds zero; scales and adapters are rounded to fp16 before the next block sees them.
 */
public final class PartialRetrainer implements AutoCloseable {
    /** The optimizer's groups. */
    private static final int CLIPPING = 0;

    private static final int ADAPTER = 1;
    private static final int WEIGHT = 2;

    private final BlockTask task;
    private final PartialRetraining method;
    private final FakeQuant fakeQuant;
    private final AdamW optimizer = AdamW.standard();
    private final Map<Linear, TrainedLinear> trained = new EnumMap<>(Linear.class);
    private final Map<Linear, PackedWeight> kept = new EnumMap<>(Linear.class);
    private final Map<Linear, Tensor> keptValues = new EnumMap<>(Linear.class);
    private final List<Tensor> weights1;
    private final List<Tensor> weights2;
    private final double lambda;

    private PartialRetrainer(BlockTask task, PartialRetraining method) {
        this.task = task;
        this.method = method;
        this.fakeQuant = task.device().isCpu() ? new FusedFakeQuant() : new TensorFakeQuant();
        SplittableRandom random = new SplittableRandom(task.seed());
        for (Linear linear : Linear.values()) {
            prepare(linear, random.split());
        }
        this.weights1 = TokenWeights.all(task.target(), method.weighting(), task.device());
        this.weights2 = TokenWeights.all(task.targetOfInputs(), method.weighting(), task.device());
        this.lambda = method.preserves() ? lambda() : 0;
    }

    private void prepare(Linear linear, SplittableRandom random) {
        Tensor weight = task.original().weight(linear);
        Grid grid = task.kept().get(linear);
        if (grid == null) {
            TrainedLinear own = TrainedLinear.of(weight, method, task.device(), random);
            own.refresh(fakeQuant);
            optimizer.add(own.groups().upper(), CLIPPING);
            optimizer.add(own.groups().lower(), CLIPPING);
            if (own.groups().trainsWeight()) {
                optimizer.add(own.groups().latent(), WEIGHT);
            }
            for (Tensor adapter : own.adapterParts()) {
                optimizer.add(adapter, ADAPTER);
            }
            trained.put(linear, own);
        } else {
            PackedWeight packed = RoundToNearest.quantize(weight, grid, method.start(), task.device());
            kept.put(linear, packed);
            keptValues.put(linear, task.device().exactValues(packed));
        }
    }

    /**
     * Trains one block.
     *
     * @param onStep told after each step how many steps of this block are done
     * @throws NumericException where a loss is not finite
     */
    public static QuantizedBlock quantize(BlockTask task, PartialRetraining method, IntConsumer onStep) {
        try (TorchScope scope = new TorchScope();
                PartialRetrainer retrainer = new PartialRetrainer(task, method)) {
            List<Epoch> curve = retrainer.train(onStep);
            Map<Linear, PackedWeight> linears = new EnumMap<>(retrainer.kept);
            retrainer.trained.forEach((linear, own) -> linears.put(linear, own.pack()));
            return new QuantizedBlock(linears, curve);
        }
    }

    /** Steps that one block takes. */
    public static int stepsPerBlock(PartialRetraining method, int samples) {
        return samples * method.stages().stream().mapToInt(Stage::epochs).sum();
    }

    private List<Epoch> train(IntConsumer onStep) {
        List<Epoch> curve = new ArrayList<>();
        int samples = task.inputs().samples();
        int done = 0;
        for (Stage stage : method.stages()) {
            for (int epoch = 0; epoch < stage.epochs(); epoch++) {
                double output = 0;
                double preservation = 0;
                for (int sample = 0; sample < samples; sample++) {
                    double rate = schedule(stage, epoch * samples + sample, stage.epochs() * samples);
                    Losses losses = step(stage, sample, rate);
                    output += losses.output / samples;
                    preservation += losses.preservation / samples;
                    onStep.accept(++done);
                }
                curve.add(new Epoch(stage.objective().label(), epoch, output, preservation));
            }
        }
        return curve;
    }

    private static double schedule(Stage stage, int step, int steps) {
        return stage.cosine() ? Cosine.factor(step, steps) : 1;
    }

    private record Losses(double output, double preservation) {}

    private Losses step(Stage stage, int sample, double rate) {
        try (TorchScope scope = new TorchScope()) {
            double output = 0;
            if (stage.objective().fitsOutput()) {
                Tensor loss = outputLoss(sample);
                loss.backward();
                output = loss.item_double();
            }
            double preservation = 0;
            List<Tensor> gradients = new ArrayList<>();
            for (Map.Entry<Linear, TrainedLinear> entry : trained.entrySet()) {
                Weighting weighting = stage.objective().preserves() && method.preserves()
                        ? new Weighting(saliency(entry.getKey()), lambda)
                        : null;
                TrainedLinear.Step own =
                        entry.getValue().gradients(fakeQuant, stage.objective().fitsOutput(), weighting);
                gradients.addAll(own.gradients());
                preservation += lambda * own.preservation();
            }
            if (!Double.isFinite(output + preservation)) {
                throw new NumericException(
                        "block %d, stage %s, sample %d: the loss came to %s; try a lower learning rate",
                        task.index(), stage.objective().label(), sample, output + preservation);
            }
            optimizer.step(
                    gradients,
                    new AdamW.Group(rate * stage.clippingRate(), stage.decay()),
                    new AdamW.Group(rate * stage.adapterRate(), stage.decay()),
                    new AdamW.Group(rate * stage.weightRate(), 0));
            for (TrainedLinear own : trained.values()) {
                own.effective().mutable_grad().reset();
                own.refresh(fakeQuant);
            }
            return new Losses(output, preservation);
        }
    }

    /** Both terms of the output loss for one sample: a scalar that can be differentiated. */
    private Tensor outputLoss(int sample) {
        Tensor x = task.inputs().get(sample, task.device());
        Tensor y = task.original().block().forward(x, task.rope(), this::apply);
        Tensor clean = y.sub(task.target().get(sample, task.device())).square();
        Tensor degraded =
                y.sub(task.targetOfInputs().get(sample, task.device())).square();
        return clean.mul(weights1.get(sample))
                .add(degraded.mul(weights2.get(sample)))
                .sum();
    }

    private Tensor apply(Linear linear, Tensor x) {
        TrainedLinear own = trained.get(linear);
        return torch.linear(x, own == null ? Objects.requireNonNull(keptValues.get(linear)) : own.effective());
    }

    private Tensor saliency(Linear linear) {
        @Nullable Tensor saliency = task.saliency().get(linear);
        return Objects.requireNonNull(saliency, () -> "no saliency for " + linear);
    }

    /** The factor of the preservation term in this block; a relative one is made so by a look at the first step. */
    private double lambda() {
        Preservation preservation = method.preservation();
        double lambda = preservation.lambda() * Math.pow(preservation.multiplier(), task.index());
        return switch (preservation.scale()) {
            case ABSOLUTE, NORMALIZED -> lambda;
            case RELATIVE -> {
                try (TorchScope scope = new TorchScope()) {
                    double reg = 0;
                    for (Map.Entry<Linear, TrainedLinear> entry : trained.entrySet()) {
                        TrainedLinear own = entry.getValue();
                        Tensor off = own.effective().detach().sub(own.groups().original());
                        reg += off.square().mul(saliency(entry.getKey())).sum().item_double();
                    }
                    yield reg == 0 ? 0 : lambda * outputLoss(0).item_double() / reg;
                }
            }
        };
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
