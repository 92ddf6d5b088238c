package dev.salient.saliency;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.calibration.Activations;
import dev.salient.calibration.Stream;
import dev.salient.model.Linear;
import dev.salient.model.ModelWeights;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchBlock;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntConsumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The diagonal of the empirical Fisher information (ULB-SAPR, section 3.1): for each weight the squared gradient of the
 * language-model loss, mean over a sample's tokens, at the original weights; per sample, summed over the samples.
 *
 * <p>A whole model's gradients do not fit beside a large model, so the pass goes block by block: forwards once, the
 * inputs of every block kept on disk, then backwards, each block computed again with its graph. One block's weights,
 * gradients and sums are in memory at a time.
 */
public final class Fisher {
    private final ModelWeights model;
    private final List<int[]> windows;
    private final TorchDevice device;
    private final FisherFile file;
    private final Rope rope;
    private final Activations.Size size;

    /**
     * A pass over these windows.
     *
     * @param windows token ids, all of one length
     * @param file where the sums go
     */
    public Fisher(ModelWeights model, List<int[]> windows, TorchDevice device, FisherFile file) {
        require(!windows.isEmpty(), "saliency: got no windows, want at least one");
        this.model = model;
        this.windows = windows;
        this.device = device;
        this.file = file;
        this.rope = Rope.of(model.config(), windows.getFirst().length, device);
        this.size = new Activations.Size(
                windows.size(), windows.getFirst().length, model.config().hiddenSize());
    }

    /** Steps that {@link #run} reports: one for each block of each window, forwards and backwards. */
    public int steps() {
        return 2 * windows.size() * model.config().blockCount();
    }

    /**
     * Computes the saliency of all blocks and writes it to the file.
     *
     * @param onStep told how many of {@link #steps} are done
     */
    public void run(IntConsumer onStep) throws IOException {
        Path scratch = Files.createTempDirectory(file.folder(), "states");
        int blocks = model.config().blockCount();
        Activations[] inputs = new Activations[blocks];
        try (Activations gradient = Activations.inMemory(size)) {
            int done = 0;
            Stream.embed(model, windows, gradient, device); // holds hidden states until the head turns them around
            for (int block = 0; block < blocks; block++) {
                inputs[block] = Activations.inFile(size, scratch.resolve("block-" + block));
                inputs[block].setAll(gradient);
                forward(block, gradient);
                onStep.accept(done += windows.size());
            }
            turnAround(gradient);
            for (int block = blocks - 1; block >= 0; block--) {
                file.write(block, backward(block, inputs[block], gradient));
                inputs[block].close();
                onStep.accept(done += windows.size());
            }
        } finally {
            Files.deleteIfExists(scratch);
        }
        file.finish();
    }

    private void forward(int index, Activations states) {
        try (TorchScope scope = new TorchScope()) {
            TorchLanguageModel.Block block = TorchLanguageModel.loadBlock(model, index, device);
            Stream.advance(states, states, rope, device, block);
        }
    }

    /** Replaces the last hidden states by the gradient of each window's loss by them. */
    private void turnAround(Activations states) {
        try (TorchScope outer = new TorchScope()) {
            Tensor head = device.halfPrecisionValues(model.head());
            Tensor gain = device.values(model.finalNorm());
            for (int sample = 0; sample < windows.size(); sample++) {
                try (TorchScope scope = new TorchScope()) {
                    int[] ids = windows.get(sample);
                    Tensor x = states.get(sample, device).requires_grad_(true);
                    Tensor normed = TorchBlock.norm(x, gain, model.config().normEpsilon());
                    Tensor logits = TorchLanguageModel.logits(
                            normed.squeeze(0).narrow(0, 0, ids.length - 1), head, model.config());
                    Tensor next = device.longs(ids, ids.length).narrow(0, 1, ids.length - 1);
                    torch.cross_entropy_loss(logits, next).backward();
                    states.set(sample, x.grad());
                }
            }
        }
    }

    /** Turns gradients by a block's outputs into gradients by its inputs; returns the block's sums. */
    private Map<Linear, float[]> backward(int index, Activations inputs, Activations gradients) {
        try (TorchScope outer = new TorchScope()) {
            TorchLanguageModel.Block block = TorchLanguageModel.loadBlock(model, index, device);
            Map<Linear, Tensor> sums = new EnumMap<>(Linear.class);
            for (Linear linear : Linear.values()) {
                block.weight(linear).requires_grad_(true);
                sums.put(linear, torch.zeros_like(block.weight(linear).detach()));
            }
            for (int sample = 0; sample < windows.size(); sample++) {
                try (TorchScope scope = new TorchScope()) {
                    Tensor x = inputs.get(sample, device).requires_grad_(true);
                    Tensor y = block.forward(x, rope);
                    // the scalar whose gradient by y is the one that came from above
                    y.mul(gradients.get(sample, device)).sum().backward();
                    gradients.set(sample, x.grad());
                    sums.forEach((linear, sum) -> {
                        Tensor gradient = block.weight(linear).grad();
                        sum.addcmul_(gradient, gradient);
                        block.weight(linear).mutable_grad().reset();
                    });
                }
            }
            Map<Linear, float[]> result = new EnumMap<>(Linear.class);
            sums.forEach((linear, sum) -> result.put(linear, TorchDevice.toFloats(sum)));
            return result;
        }
    }
}
