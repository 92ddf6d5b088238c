package dev.salient.quantizer;

import dev.salient.fakequant.FakeQuant.Weighting;
import dev.salient.method.Cosine;
import dev.salient.method.Method.PartialRetraining;
import dev.salient.method.Preservation;
import dev.salient.method.Stage;
import dev.salient.method.Terms;
import dev.salient.model.Linear;
import dev.salient.quantizer.InTraining.Parameter;
import dev.salient.quantizer.InTraining.Role;
import dev.salient.quantizer.QuantizedBlock.Epoch;
import dev.salient.torch.AdamW;
import dev.salient.torch.NumericException;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntConsumer;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Trains some linears of a block together, stage after stage: AdamW, one sample a step.
 *
 * <p>Samples are those of the task: first those that are trained on, then those held out, which choose the epoch.
 */
final class StagedTraining implements AutoCloseable {
    /** The optimizer's groups. */
    private static final List<Role> GROUPS = List.of(Role.values());

    private final BlockTask task;
    private final PartialRetraining method;
    private final Map<Linear, InTraining> linears;
    private final OutputLoss loss;
    private final int samples;
    private final Map<Linear, Tensor> saliency = new EnumMap<>(Linear.class);
    private final double lambda;
    private final AdamW optimizer = AdamW.standard();
    private final @Nullable BestEpoch best;
    private final List<Epoch> curve = new ArrayList<>();

    /**
     * A training of these linears.
     *
     * @param linears at their start
     * @param loss of the samples of the task
     */
    StagedTraining(BlockTask task, PartialRetraining method, Map<Linear, InTraining> linears, OutputLoss loss) {
        this.task = task;
        this.method = method;
        this.linears = linears;
        this.loss = loss;
        this.samples = task.degraded().samples() - method.heldOut().windows();
        List<Tensor> parameters = new ArrayList<>();
        for (InTraining own : linears.values()) {
            own.refresh();
            for (Parameter parameter : own.parameters()) {
                optimizer.add(parameter.value(), GROUPS.indexOf(parameter.role()));
                parameters.add(parameter.value());
            }
        }
        if (method.preserves()) {
            linears.keySet().forEach(linear -> saliency.put(linear, saliencyOf(linear)));
        }
        this.lambda = method.preserves() ? lambda() : 0;
        this.best = method.heldOut().windows() == 0 ? null : new BestEpoch(parameters, heldOutLoss());
    }

    /**
     * Does all of it; the linears are then as they are to be stored.
     *
     * @param onStep told how many steps are done, those that are left out among them
     * @return a point an epoch
     * @throws NumericException where a loss is not finite
     */
    List<Epoch> train(IntConsumer onStep) {
        int done = 0;
        for (Stage stage : method.stages()) {
            train(stage, done, onStep);
            done += stage.epochs() * samples;
            onStep.accept(done);
        }
        return curve;
    }

    private void train(Stage stage, int done, IntConsumer onStep) {
        int idle = 0;
        for (int epoch = 0; epoch < stage.epochs(); epoch++) {
            double output = 0;
            double preservation = 0;
            for (int sample = 0; sample < samples; sample++) {
                int step = epoch * samples + sample;
                Losses losses = step(stage, sample, stage.cosine() ? Cosine.factor(step, stage.epochs() * samples) : 1);
                output += losses.output / samples;
                preservation += losses.preservation / samples;
                onStep.accept(done + step + 1);
            }
            double heldOut = best == null ? 0 : heldOutLoss();
            curve.add(new Epoch(stage.objective().label(), epoch, output, preservation, heldOut));
            if (best != null) {
                idle = best.offer(heldOut) ? 0 : idle + 1;
                if (idle == method.heldOut().patience() && idle > 0) {
                    break;
                }
            }
        }
        if (best != null) {
            best.restore();
            linears.values().forEach(InTraining::refresh);
        }
    }

    private double heldOutLoss() {
        int all = task.degraded().samples();
        double sum = 0;
        for (int sample = samples; sample < all; sample++) {
            try (TorchScope scope = new TorchScope()) {
                sum += loss.of(sample, Terms.NONE).item_double() / (all - samples);
            }
        }
        return sum;
    }

    private record Losses(double output, double preservation) {}

    private Losses step(Stage stage, int sample, double rate) {
        try (TorchScope scope = new TorchScope()) {
            double output = 0;
            if (stage.objective().fitsOutput()) {
                Tensor own = loss.of(sample, stage.terms());
                own.backward();
                output = own.item_double();
            }
            double preservation = 0;
            List<Tensor> gradients = new ArrayList<>();
            for (Map.Entry<Linear, InTraining> entry : linears.entrySet()) {
                Weighting weighting = stage.objective().preserves() && method.preserves()
                        ? new Weighting(Objects.requireNonNull(saliency.get(entry.getKey())), lambda)
                        : null;
                TrainedLinear.Step own =
                        entry.getValue().gradients(stage.objective().fitsOutput(), weighting);
                gradients.addAll(own.gradients());
                preservation += lambda * own.preservation();
            }
            if (!Double.isFinite(output + preservation)) {
                throw new NumericException(
                        "block %d, stage %s, sample %d: the loss came to %s; try a lower learning rate",
                        task.index(), stage.objective().label(), sample, output + preservation);
            }
            optimizer.step(gradients, groups(stage, rate));
            linears.values().forEach(InTraining::refresh);
            return new Losses(output, preservation);
        }
    }

    /** Rates and decays of {@link #GROUPS}. */
    private static AdamW.Group[] groups(Stage stage, double rate) {
        return GROUPS.stream()
                .map(role -> switch (role) {
                    case CLIPPING -> new AdamW.Group(rate * stage.clippingRate(), stage.decay());
                    case ADAPTER -> new AdamW.Group(rate * stage.adapterRate(), stage.decay());
                    case WEIGHT -> new AdamW.Group(rate * stage.weightRate(), 0);
                    case SCALE -> new AdamW.Group(rate * stage.clippingRate(), 0);
                })
                .toArray(AdamW.Group[]::new);
    }

    private Tensor saliencyOf(Linear linear) {
        @Nullable Tensor found = task.saliency().get(linear);
        Tensor own = Objects.requireNonNull(found, () -> "no saliency for " + linear);
        boolean normalized = method.preservation().scale() == Preservation.Scale.NORMALIZED;
        return normalized ? own.div(own.mean()) : own;
    }

    /** The factor of the preservation term in this block; a relative one is made so by a look at the first step. */
    private double lambda() {
        Preservation preservation = method.preservation();
        double own = preservation.lambda() * Math.pow(preservation.multiplier(), task.index());
        return switch (preservation.scale()) {
            case ABSOLUTE, NORMALIZED -> own;
            case RELATIVE -> {
                try (TorchScope scope = new TorchScope()) {
                    double reg = 0;
                    for (Map.Entry<Linear, InTraining> entry : linears.entrySet()) {
                        Weighting unscaled = new Weighting(Objects.requireNonNull(saliency.get(entry.getKey())), 0);
                        reg += entry.getValue().gradients(false, unscaled).preservation();
                    }
                    yield reg == 0 ? 0 : own * loss.of(0, Terms.NONE).item_double() / reg;
                }
            }
        };
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
