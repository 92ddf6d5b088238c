package dev.salient.train;

import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.torch.TorchBlock;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;

/**
 * A model with random weights, as GPT-2 begins: a normal distribution of deviation 0.02, and for the two linears of a
 * block that write into the residual stream 0.02 / sqrt(2 blocks).
 */
final class NewModel {
    private static final double DEVIATION = 0.02;

    private final ModelConfig config;
    private final TorchDevice device;
    private final SplittableRandom random;

    private NewModel(ModelConfig config, TorchDevice device, long seed) {
        this.config = config;
        this.device = device;
        this.random = new SplittableRandom(seed);
    }

    /** A model whose head is its embedding; its tensors belong to no scope. */
    static TorchLanguageModel of(ModelConfig config, TorchDevice device, long seed) {
        return new NewModel(config, device, seed).make();
    }

    private TorchLanguageModel make() {
        Tensor embedding = normal(config.vocabSize(), config.hiddenSize(), DEVIATION);
        List<TorchLanguageModel.Block> blocks = new ArrayList<>();
        for (int b = 0; b < config.blockCount(); b++) {
            Map<Linear, Tensor> weights = new EnumMap<>(Linear.class);
            for (Linear linear : Linear.values()) {
                boolean writes = linear == Linear.O || linear == Linear.DOWN;
                double deviation = writes ? DEVIATION / Math.sqrt(2.0 * config.blockCount()) : DEVIATION;
                weights.put(linear, normal(linear.out(config), linear.in(config), deviation));
            }
            blocks.add(new TorchLanguageModel.Block(new TorchBlock(config, ones(), ones()), weights));
        }
        return new TorchLanguageModel(config, embedding, blocks, ones(), embedding);
    }

    private Tensor normal(int out, int in, double deviation) {
        float[] values = new float[out * in];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (deviation * random.nextGaussian());
        }
        return parameter(values, out, in);
    }

    private Tensor ones() {
        float[] values = new float[config.hiddenSize()];
        java.util.Arrays.fill(values, 1);
        return parameter(values, values.length);
    }

    private Tensor parameter(float[] values, long... shape) {
        try (TorchScope scope = new TorchScope()) {
            return scope.release(device.floats(values, shape)).set_requires_grad(true);
        }
    }
}
