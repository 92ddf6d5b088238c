package dev.salient.torch;

import static dev.salient.tensor.Preconditions.require;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Lion (Chen et al., arXiv 2302.06675) without decay: {@code p = p - rate sign(b1 m + (1 - b1) g); m = b2 m + (1 - b2) g}, betas
 * 0.9 and 0.99. One moment instead of Adam's two.
 */
public final class Lion implements AutoCloseable {
    private static final double BETA1 = 0.9;
    private static final double BETA2 = 0.99;

    private final List<Parameter> parameters = new ArrayList<>();

    private record Parameter(Tensor value, Tensor mean, int group) {}

    /**
     * Takes a tensor under care.
     *
     * @param value overwritten by each step
     * @param group which of the rates given to {@link #step} is its own
     */
    public void add(Tensor value, int group) {
        try (TorchScope scope = new TorchScope()) {
            parameters.add(new Parameter(value, scope.release(torch.zeros_like(value)), group));
        }
    }

    /**
     * Moves every tensor one step.
     *
     * @param gradients in the order of {@link #add}
     * @param rates of each group
     */
    public void step(List<Tensor> gradients, double... rates) {
        require(
                gradients.size() == parameters.size(),
                "gradients: got %d, want %d",
                gradients.size(),
                parameters.size());
        try (TorchScope scope = new TorchScope()) {
            for (int i = 0; i < gradients.size(); i++) {
                Parameter own = parameters.get(i);
                Tensor direction = own.mean
                        .mul(new Scalar(BETA1))
                        .add_(gradients.get(i), new Scalar(1 - BETA1))
                        .sign_();
                own.value.sub_(direction, new Scalar(rates[own.group]));
                own.mean.mul_(new Scalar(BETA2)).add_(gradients.get(i), new Scalar(1 - BETA2));
            }
        }
    }

    @Override
    public void close() {
        parameters.forEach(parameter -> parameter.mean.close());
    }
}
