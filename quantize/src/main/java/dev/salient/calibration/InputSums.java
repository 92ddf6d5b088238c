package dev.salient.calibration;

import dev.salient.model.Linear;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** What the linears of a block are fed, summed over all tokens of all samples in double, but for those whose keys and values are intact: what
 * a block makes of them reaches no other token. */
public final class InputSums {
    private final Map<Linear, Tensor> sums = new EnumMap<>(Linear.class);

    private final double tokens;

    private InputSums(double tokens) {
        this.tokens = tokens;
    }

    /** X^T X, [in, in], of a block with its original weights, for these inputs of the block. */
    public static InputSums grams(TorchLanguageModel.Block block, Activations inputs, Rope rope, TorchDevice device) {
        return of(block, inputs, rope, device, x -> x.t().mm(x).to(torch.ScalarType.Double));
    }

    /** The diagonal of X^T X, [in]: the energy of each input channel. */
    public static InputSums energies(
            TorchLanguageModel.Block block, Activations inputs, Rope rope, TorchDevice device) {
        return of(
                block,
                inputs,
                rope,
                device,
                x -> x.to(torch.ScalarType.Double).square().sum(0));
    }

    private static InputSums of(
            TorchLanguageModel.Block block,
            Activations inputs,
            Rope rope,
            TorchDevice device,
            UnaryOperator<Tensor> sum) {
        int skipped = block.block().intactTokens();
        int tokens = inputs.tokens() - skipped;
        InputSums all = new InputSums((double) inputs.samples() * tokens);
        for (int sample = 0; sample < inputs.samples(); sample++) {
            try (TorchScope scope = new TorchScope()) {
                block.block().forward(inputs.get(sample, device), rope, (linear, x) -> {
                    if (site(linear) == linear) {
                        all.add(
                                scope,
                                linear,
                                sum.apply(x.narrow(1, skipped, tokens).reshape(-1, x.size(2))));
                    }
                    return torch.linear(x, block.weight(linear));
                });
            }
        }
        return all;
    }

    private void add(TorchScope scope, Linear linear, Tensor sum) {
        Tensor known = sums.get(linear);
        if (known == null) {
            sums.put(linear, scope.keep(sum));
        } else {
            known.add_(sum);
        }
    }

    /** The sum for a linear; linears with the same inputs share one. */
    public Tensor of(Linear linear) {
        return Objects.requireNonNull(sums.get(site(linear)));
    }

    /** The sum for a linear, divided by the tokens. */
    public Tensor mean(Linear linear) {
        return of(linear).div(new Scalar(tokens));
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
