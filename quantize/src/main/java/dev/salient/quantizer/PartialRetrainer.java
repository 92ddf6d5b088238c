package dev.salient.quantizer;

import dev.salient.calibration.InputSums;
import dev.salient.calibration.Stream;
import dev.salient.fakequant.FakeQuant;
import dev.salient.method.Adapters;
import dev.salient.method.Grid;
import dev.salient.method.Method.PartialRetraining;
import dev.salient.method.Method.Scope;
import dev.salient.method.Stage;
import dev.salient.model.Linear;
import dev.salient.packed.PackedWeight;
import dev.salient.quantizer.QuantizedBlock.Epoch;
import dev.salient.torch.MixtureLinear;
import dev.salient.torch.NumericException;
import dev.salient.torch.TorchBlock.OneLinear;
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
 * Training of a block's clipping and adapters with saliency-aware weight preservation: ApiQ (arXiv 2402.05147, section 4)
 * and ULB-SAPR (arXiv 2504.13932, section 3).
 *
 * <pre>
 * output = see {@link BlockOutput} and {@link LinearOutput}
 * reg    = sum over linears, sum over elements of F (W_eff - W)^2
 * wpt: lambda reg      mixed: output + lambda reg      opt: output
 * </pre>
 *
 * <p>Differs from the reference in: fp32 throughout; a group's range always holds zero; scales and adapters are rounded to
 * fp16 before what comes after them sees them.
 */
public final class PartialRetrainer {
    private final BlockTask task;
    private final PartialRetraining method;
    private final Map<Linear, InTraining> trained = new EnumMap<>(Linear.class);
    private final Map<Linear, PackedWeight> packed = new EnumMap<>(Linear.class);
    private final Map<Linear, OneLinear> done = new EnumMap<>(Linear.class);
    private final FakeQuant fakeQuant;

    private PartialRetrainer(BlockTask task, PartialRetraining method) {
        this.task = task;
        this.method = method;
        InputSums energies = method.rank() > 0 && method.adapters().start() == Adapters.Start.LQER
                ? InputSums.energies(task.original(), task.degraded(), task.rope(), task.device())
                : null;
        SplittableRandom random = new SplittableRandom(task.seed());
        this.fakeQuant = FakeQuant.of(method.grid(), task.device());
        for (Linear linear : Linear.values()) {
            prepare(linear, energies == null ? null : energies.mean(linear), random.split());
        }
    }

    private void prepare(Linear linear, @Nullable Tensor energy, SplittableRandom random) {
        Tensor weight = task.original().weight(linear);
        Grid grid = task.kept().get(linear);
        if (grid == null) {
            Integer own = task.ranks().get(linear);
            Adapters adapters =
                    own == null ? method.adapters() : method.adapters().withRank(own);
            trained.put(
                    linear,
                    method.grid() instanceof Grid.BinaryMos mixture
                            ? MixtureInTraining.of(weight, energy, method, mixture, task.device(), random)
                            : new GroupsInTraining(
                                    TrainedLinear.of(weight, energy, method, adapters, task.device(), random),
                                    fakeQuant));
        } else {
            finish(linear, RoundToNearest.quantize(weight, grid, method.start(), task.device()));
        }
    }

    private void finish(Linear linear, PackedWeight weight) {
        packed.put(linear, weight);
        OneLinear other = MixtureLinear.find(weight, task.device());
        if (other == null) {
            Tensor values = task.device().exactValues(weight);
            done.put(linear, x -> torch.linear(x, values));
        } else {
            done.put(linear, other);
        }
    }

    /**
     * Trains one block.
     *
     * @param task its clean stream and its scratch are overwritten
     * @param onStep told after each step how many steps of this block are done
     * @throws NumericException where a loss is not finite
     */
    public static QuantizedBlock quantize(BlockTask task, PartialRetraining method, IntConsumer onStep) {
        try (TorchScope scope = new TorchScope()) {
            PartialRetrainer retrainer = new PartialRetrainer(task, method);
            List<Epoch> curve = switch (method.scope()) {
                case BLOCK -> retrainer.trainBlock(onStep);
                case LINEARS -> retrainer.trainLinears(onStep);
            };
            return new QuantizedBlock(retrainer.packed, curve);
        }
    }

    /** Steps that one block takes. */
    public static int stepsPerBlock(PartialRetraining method, int samples) {
        int trainings = method.scope() == Scope.LINEARS ? LinearOutput.GROUPS.size() : 1;
        return trainings * stepsOfOne(method, samples);
    }

    private static int stepsOfOne(PartialRetraining method, int samples) {
        return samples * method.stages().stream().mapToInt(Stage::epochs).sum();
    }

    private List<Epoch> trainBlock(IntConsumer onStep) {
        if (trained.isEmpty()) { // all linears have grids of their own
            Stream.advance(task.clean(), task.clean(), task.rope(), task.device(), task.original());
            onStep.accept(stepsPerBlock(
                    method, task.clean().samples() - method.heldOut().windows()));
            return List.of();
        }
        List<Epoch> curve = train(trained, new BlockOutput(task, method.weighting(), this::apply), onStep);
        trained.forEach((linear, own) -> finish(linear, own.pack()));
        return curve;
    }

    private List<Epoch> trainLinears(IntConsumer onStep) {
        List<Epoch> curve = new ArrayList<>();
        int steps = stepsOfOne(method, task.clean().samples() - method.heldOut().windows());
        int stepsDone = 0;
        for (List<Linear> group : LinearOutput.GROUPS) {
            Map<Linear, InTraining> own = new EnumMap<>(trained);
            own.keySet().retainAll(group);
            if (!own.isEmpty()) {
                int before = stepsDone;
                try (LinearOutput loss = new LinearOutput(task, method.weighting(), own, this::apply)) {
                    add(curve, train(own, loss, step -> onStep.accept(before + step)));
                }
                own.forEach((linear, one) -> finish(linear, one.pack()));
            }
            stepsDone += steps;
            onStep.accept(stepsDone);
        }
        Stream.advance(task.clean(), task.clean(), task.rope(), task.device(), task.original());
        return curve;
    }

    private List<Epoch> train(Map<Linear, InTraining> linears, OutputLoss loss, IntConsumer onStep) {
        try (StagedTraining training = new StagedTraining(task, method, linears, loss)) {
            return training.train(onStep);
        }
    }

    /** Adds the losses of one more group of linears, epoch by epoch. */
    private static void add(List<Epoch> curve, List<Epoch> more) {
        for (int i = 0; i < more.size(); i++) {
            if (i < curve.size()) {
                curve.set(i, curve.get(i).plus(more.get(i)));
            } else {
                curve.add(more.get(i));
            }
        }
    }

    private Tensor apply(Linear linear, Tensor x) {
        OneLinear finished = done.get(linear);
        return finished == null ? Objects.requireNonNull(trained.get(linear)).apply(x) : finished.apply(x);
    }
}
