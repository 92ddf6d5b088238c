package dev.salient.train;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.model.ModelConfig;
import dev.salient.torch.AdamW;
import dev.salient.torch.NumericException;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Trains a model from scratch on the next-token loss.
 *
 * <p>What a step does follows from the settings and the step's number alone, so that a run taken up from a checkpoint
 * equals one that was never interrupted.
 */
public final class Pretrainer implements AutoCloseable {
    private static final int LINEARS = 0;

    private final Pretraining settings;
    private final TorchDevice device;
    private final TorchLanguageModel model;
    private final List<NamedTensor> parameters;
    private final AdamW optimizer = new AdamW(0.9, 0.95, 1e-8);
    private final Rope rope;
    private LossCurve curve = new LossCurve(List.of());

    /** Told what goes on. */
    public interface Listener {
        /** After every step. */
        void onStep(int stepsDone, double loss);

        /** After every look at the held-out loss, the last step's among them. */
        void onCheck(LossCurve.Point point);
    }

    /** A run before its first step. */
    public Pretrainer(ModelConfig config, Pretraining settings, TorchDevice device) {
        require(
                settings.window() <= config.contextLength(),
                "window: got %d, want at most the context's %d",
                settings.window(),
                config.contextLength());
        this.settings = settings;
        this.device = device;
        this.model = NewModel.of(config, device, settings.seed());
        this.parameters = NamedTensor.of(model);
        for (NamedTensor parameter : parameters) {
            optimizer.add(parameter.tensor(), parameter.isLinear() ? LINEARS : 1);
        }
        this.rope = Rope.of(config, settings.window(), device);
    }

    public TorchLanguageModel model() {
        return model;
    }

    /** The losses so far. */
    public LossCurve curve() {
        return curve;
    }

    TorchDevice device() {
        return device;
    }

    int stepsDone() {
        return optimizer.steps();
    }

    List<NamedTensor> parameters() {
        return parameters;
    }

    List<Tensor> moments() {
        return optimizer.moments();
    }

    /** Goes on where a checkpoint was written; parameters and moments were restored by the caller. */
    void resumeAfter(int steps, LossCurve soFar) {
        optimizer.resumeAfter(steps);
        curve = soFar;
    }

    /**
     * Trains until the next look at the held-out loss.
     *
     * @return whether steps are left
     * @throws NumericException where the loss is not finite
     */
    public boolean trainToNextCheck(TrainingText text, List<int[]> heldOut, Listener listener) {
        int from = stepsDone();
        if (from >= settings.steps()) {
            return false;
        }
        int end = Math.min(settings.steps(), (from / settings.checkEvery() + 1) * settings.checkEvery());
        BatchOrder batches = new BatchOrder(text, settings.window() + 1, settings.batch());
        double sum = 0;
        for (int step = from; step < end; step++) {
            double loss = step(batches.batch(step), settings.rateAt(step), step);
            sum += loss;
            listener.onStep(step + 1, loss);
        }
        curve = curve.with(new LossCurve.Point(end, sum / (end - from), loss(heldOut)));
        listener.onCheck(curve.last());
        return end < settings.steps();
    }

    /** The mean loss over windows, each of one token more than the model reads. */
    public double loss(List<int[]> windows) {
        double sum = 0;
        for (int from = 0; from < windows.size(); from += settings.batch()) {
            List<int[]> batch = windows.subList(from, Math.min(windows.size(), from + settings.batch()));
            try (TorchScope scope = new TorchScope()) {
                sum += batchLoss(batch).detach().item_double() * batch.size();
            }
        }
        return sum / windows.size();
    }

    private double step(List<int[]> batch, double rate, int step) {
        try (TorchScope scope = new TorchScope()) {
            Tensor loss = batchLoss(batch);
            double value = loss.item_double();
            if (!Double.isFinite(value)) {
                throw new NumericException("step %d: the loss came to %s; try a lower rate", step, value);
            }
            loss.backward();
            List<Tensor> gradients = new ArrayList<>();
            for (NamedTensor parameter : parameters) {
                gradients.add(parameter.tensor().grad());
            }
            clip(gradients);
            optimizer.step(gradients, new AdamW.Group(rate, settings.decay()), new AdamW.Group(rate, 0));
            for (NamedTensor parameter : parameters) {
                parameter.tensor().mutable_grad().reset();
            }
            return value;
        }
    }

    private void clip(List<Tensor> gradients) {
        double squares = 0;
        for (Tensor gradient : gradients) {
            squares += gradient.square().sum().item_double();
        }
        double norm = Math.sqrt(squares);
        if (norm > settings.clip()) {
            Scalar factor = new Scalar(settings.clip() / norm);
            for (Tensor gradient : gradients) {
                gradient.mul_(factor);
            }
        }
    }

    private Tensor batchLoss(List<int[]> windows) {
        int read = settings.window();
        int[] ids = new int[windows.size() * read];
        int[] next = new int[ids.length];
        for (int w = 0; w < windows.size(); w++) {
            System.arraycopy(windows.get(w), 0, ids, w * read, read);
            System.arraycopy(windows.get(w), 1, next, w * read, read);
        }
        Tensor logits = model.logits(device.longs(ids, windows.size(), read), rope);
        return torch.cross_entropy_loss(
                logits.view(ids.length, model.config().vocabSize()), device.longs(next, next.length));
    }

    @Override
    public void close() {
        optimizer.close();
        for (NamedTensor parameter : parameters) {
            parameter.tensor().close();
        }
    }
}
