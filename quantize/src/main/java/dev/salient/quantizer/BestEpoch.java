package dev.salient.quantizer;

import dev.salient.torch.TorchScope;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/** The numbers in training as they were when the loss on held-out windows was least. */
final class BestEpoch {
    private final List<Tensor> parameters;
    private final List<Tensor> best;
    private double loss;

    /**
     * What training starts with is the best so far.
     *
     * @param parameters changed by training
     * @param loss at the start
     */
    BestEpoch(List<Tensor> parameters, double loss) {
        this.parameters = parameters;
        this.loss = loss;
        try (TorchScope scope = new TorchScope()) {
            this.best = parameters.stream()
                    .map(parameter -> scope.keep(parameter.detach().clone()))
                    .toList();
        }
    }

    /** Takes the present numbers where their loss is less; returns whether it is. */
    boolean offer(double present) {
        if (present >= loss) {
            return false;
        }
        loss = present;
        for (int i = 0; i < best.size(); i++) {
            best.get(i).copy_(parameters.get(i).detach());
        }
        return true;
    }

    /** Goes back to the best. */
    void restore() {
        for (int i = 0; i < best.size(); i++) {
            parameters.get(i).detach().copy_(best.get(i));
        }
    }
}
