package dev.salient.calibration;

import dev.salient.model.Linear;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** X^T X of what the linears of a block are fed, [in, in] in double, summed over all tokens of all samples. */
public final class InputGrams {
    private final Map<Linear, Tensor> grams = new EnumMap<>(Linear.class);

    private InputGrams() {}

    /** Those of a block with its original weights, for these inputs of the block. */
    public static InputGrams of(TorchLanguageModel.Block block, Activations inputs, Rope rope, TorchDevice device) {
        InputGrams all = new InputGrams();
        for (int sample = 0; sample < inputs.samples(); sample++) {
            try (TorchScope scope = new TorchScope()) {
                block.block().forward(inputs.get(sample, device), rope, (linear, x) -> {
                    if (site(linear) == linear) {
                        all.add(scope, linear, x.reshape(-1, x.size(2)));
                    }
                    return torch.linear(x, block.weight(linear));
                });
            }
        }
        return all;
    }

    private void add(TorchScope scope, Linear linear, Tensor x) {
        Tensor gram = x.t().mm(x).to(torch.ScalarType.Double);
        Tensor known = grams.get(linear);
        if (known == null) {
            grams.put(linear, scope.keep(gram));
        } else {
            known.add_(gram);
        }
    }

    /** The gram of a linear's inputs; linears with the same inputs share one. */
    public Tensor of(Linear linear) {
        return Objects.requireNonNull(grams.get(site(linear)));
    }

    private static Linear site(Linear linear) {
        return switch (linear) {
            case Q, K, V -> Linear.Q;
            case O -> Linear.O;
            case GATE, UP -> Linear.GATE;
            case DOWN -> Linear.DOWN;
        };
    }
}
