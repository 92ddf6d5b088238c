package dev.salient.torch;

import static dev.salient.tensor.Preconditions.require;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101), over groups with their own rates.
 *
 * <p>{@code m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p = p - rate decay p - rate mHat / (sqrt(vHat) + eps)}.
 */
public final class AdamW implements AutoCloseable {
    private final double beta1;
    private final double beta2;
    private final double epsilon;
    private final List<Parameter> parameters = new ArrayList<>();
    private int steps;

    /** An optimizer with the given betas and epsilon. */
    public AdamW(double beta1, double beta2, double epsilon) {
        this.beta1 = beta1;
        this.beta2 = beta2;
        this.epsilon = epsilon;
    }

    /** PyTorch's defaults: betas 0.9 and 0.999, epsilon 1e-8. */
    public static AdamW standard() {
        return new AdamW(0.9, 0.999, 1e-8);
    }

    private record Parameter(Tensor value, Tensor mean, Tensor square, int group) {}

    /** Learning rate and decoupled decay of a group of parameters; a rate of 0 leaves the group alone. */
    public record Group(double rate, double decay) {}

    /**
     * Takes a tensor under care.
     *
     * @param value overwritten by each step
     * @param group which of the groups given to {@link #step} it belongs to
     */
    public void add(Tensor value, int group) {
        Tensor mean;
        Tensor square;
        try (TorchScope scope = new TorchScope()) {
            Tensor plain = value.detach();
            mean = scope.release(torch.zeros_like(plain));
            square = scope.release(torch.zeros_like(plain));
        }
        parameters.add(new Parameter(value, mean, square, group));
    }

    /** Steps taken. */
    public int steps() {
        return steps;
    }

    /**
     * Moves every tensor one step.
     *
     * @param gradients in the order of {@link #add}
     * @param groups rate and decay of each group
     */
    public void step(List<Tensor> gradients, Group... groups) {
        require(
                gradients.size() == parameters.size(),
                "gradients: got %d, want %d",
                gradients.size(),
                parameters.size());
        steps++;
        double correction1 = 1 - Math.pow(beta1, steps);
        double correction2 = 1 - Math.pow(beta2, steps);
        try (TorchScope scope = new TorchScope()) {
            Scalar keep1 = new Scalar(beta1);
            Scalar keep2 = new Scalar(beta2);
            Scalar new1 = new Scalar(1 - beta1);
            Scalar new2 = new Scalar(1 - beta2);
            Scalar eps = new Scalar(epsilon);
            Scalar squareRoot = new Scalar(1 / Math.sqrt(correction2));
            for (int i = 0; i < gradients.size(); i++) {
                Parameter parameter = parameters.get(i);
                double rate = groups[parameter.group].rate;
                if (rate == 0) {
                    continue;
                }
                Tensor gradient = gradients.get(i);
                Tensor value = parameter.value.detach();
                parameter.mean.mul_(keep1).add_(gradient, new1);
                parameter.square.mul_(keep2).addcmul_(gradient, gradient, new2);
                value.mul_(new Scalar(1 - rate * groups[parameter.group].decay));
                Tensor denominator = parameter.square.sqrt().mul_(squareRoot).add_(eps);
                value.addcdiv_(parameter.mean, denominator, new Scalar(-rate / correction1));
            }
        }
    }

    /** First and second moments, in the order of {@link #add}, mean before square: what a checkpoint stores. */
    public List<Tensor> moments() {
        List<Tensor> moments = new ArrayList<>();
        for (Parameter parameter : parameters) {
            moments.add(parameter.mean);
            moments.add(parameter.square);
        }
        return moments;
    }

    /** Goes on after this many steps, with moments restored by the caller. */
    public void resumeAfter(int stepsTaken) {
        steps = stepsTaken;
    }

    @Override
    public void close() {
        for (Parameter parameter : parameters) {
            parameter.mean.close();
            parameter.square.close();
        }
    }
}
