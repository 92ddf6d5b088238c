package dev.salient.quantizer;

import dev.salient.calibration.Activations;
import dev.salient.calibration.InputSums;
import dev.salient.method.Cosine;
import dev.salient.method.Method;
import dev.salient.model.Linear;
import dev.salient.packed.PackedWeight;
import dev.salient.quantizer.QuantizedBlock.Epoch;
import dev.salient.torch.AdamW;
import dev.salient.torch.NumericException;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
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

/**
 * AQLM (<a href="https://arxiv.org/abs/2401.06118">arXiv 2401.06118</a>) of one block: each linear is fitted to its own outputs
 * ({@link CodebookFit}), then all codebooks and scales are trained together on the block's,
 *
 * <pre>
 * sum_t w_t ||block(g)_t - qblock(g)_t||^2,   g: what the quantized blocks before feed it
 * </pre>
 *
 * <p>with Adam; codes stay (section 3.4). Differs from the reference in: norms' gains stay; tokens are weighed as in the other methods'
 * training; the rate follows a cosine to zero.
 */
public final class CodebookTrainer implements AutoCloseable {
    private final Task task;
    private final Method.Aqlm method;
    private final Map<Linear, TrainedCodebooks> linears = new EnumMap<>(Linear.class);
    private final AdamW optimizer = new AdamW(0.9, 0.95, 1e-8);

    private CodebookTrainer(Task task, Method.Aqlm method) {
        this.task = task;
        this.method = method;
    }

    /**
     * One block to make codebooks for.
     *
     * @param inputs the degraded stream
     */
    public record Task(
            int index,
            TorchLanguageModel.Block original,
            Activations inputs,
            Rope rope,
            TorchDevice device,
            long seed) {}

    /** Steps that one block takes: its linears one by one, then samples. */
    public static int stepsPerBlock(Method.Aqlm method, int samples) {
        return Linear.values().length + samples * method.epochs();
    }

    /**
     * Makes one block's codebooks.
     *
     * @param onStep told after each step how many steps of this block are done
     * @throws NumericException where a loss is not finite
     */
    public static QuantizedBlock quantize(Task task, Method.Aqlm method, IntConsumer onStep) {
        try (TorchScope scope = new TorchScope();
                CodebookTrainer trainer = new CodebookTrainer(task, method)) {
            trainer.fitLinears(onStep);
            List<Epoch> curve = trainer.train(onStep);
            Map<Linear, PackedWeight> packed = new EnumMap<>(Linear.class);
            trainer.linears.forEach((linear, own) -> packed.put(linear, own.pack()));
            return new QuantizedBlock(packed, curve);
        }
    }

    private void fitLinears(IntConsumer onStep) {
        InputSums grams = InputSums.grams(task.original, task.inputs, task.rope, task.device);
        SplittableRandom random = new SplittableRandom(task.seed);
        for (Linear linear : Linear.values()) {
            Tensor weight = task.original.weight(linear);
            TrainedCodebooks own = CodebookFit.fit(weight, grams.of(linear), method, task.device, random.split());
            own.addTo(optimizer, 0, 0);
            linears.put(linear, own);
            onStep.accept(linears.size());
        }
    }

    private List<Epoch> train(IntConsumer onStep) {
        List<Epoch> curve = new ArrayList<>();
        int samples = task.inputs.samples();
        int steps = samples * method.epochs();
        int done = 0;
        for (int epoch = 0; epoch < method.epochs(); epoch++) {
            double mean = 0;
            for (int sample = 0; sample < samples; sample++) {
                double loss = step(sample, method.rate() * Cosine.factor(done, steps));
                if (!Double.isFinite(loss)) {
                    throw new NumericException(
                            "block %d, epoch %d, sample %d: the loss came to %s; try a lower learning rate",
                            task.index, epoch, sample, loss);
                }
                mean += loss / samples;
                onStep.accept(Linear.values().length + ++done);
            }
            curve.add(new Epoch("opt", epoch, mean, 0));
        }
        return curve;
    }

    private double step(int sample, double rate) {
        try (TorchScope scope = new TorchScope()) {
            Tensor x = task.inputs.get(sample, task.device);
            Tensor target = task.original.forward(x, task.rope).detach();
            Tensor weights = TokenWeights.of(target, method.weighting(), task.original.block(), task.device);
            Tensor y = task.original.block().forward(x, task.rope, this::apply);
            Tensor loss = y.sub(target).square().mul(weights).sum();
            loss.backward();
            List<Tensor> gradients = new ArrayList<>();
            linears.values()
                    .forEach(own -> gradients.addAll(own.gradients(own.values().grad())));
            optimizer.step(gradients, new AdamW.Group(rate, 0));
            for (TrainedCodebooks own : linears.values()) {
                own.values().mutable_grad().reset();
                own.refresh();
            }
            return loss.item_double();
        }
    }

    private Tensor apply(Linear linear, Tensor x) {
        return torch.linear(x, Objects.requireNonNull(linears.get(linear)).values());
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
