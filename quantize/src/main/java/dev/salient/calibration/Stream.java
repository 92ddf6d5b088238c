package dev.salient.calibration;

import dev.salient.model.ModelWeights;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/** Moves hidden states through a model, one block at a time. */
public final class Stream {
    private Stream() {}

    /** Overwrites states with the embeddings of the windows' tokens. */
    public static void embed(ModelWeights model, List<int[]> windows, Activations states, TorchDevice device) {
        for (int sample = 0; sample < windows.size(); sample++) {
            try (TorchScope scope = new TorchScope()) {
                states.set(sample, embedded(model, windows.get(sample), device));
            }
        }
    }

    /** The embeddings of a window's tokens, [1, tokens, hidden]. */
    static Tensor embedded(ModelWeights model, int[] ids, TorchDevice device) {
        int hidden = model.config().hiddenSize();
        float[] rows = new float[ids.length * hidden];
        for (int t = 0; t < ids.length; t++) {
            model.embedding().decodeRow(ids[t], rows, t * hidden);
        }
        for (int i = 0; i < rows.length; i++) {
            float written = Float.float16ToFloat(Float.floatToFloat16(rows[i])); // as the file will hold them
            rows[i] = written * model.config().embeddingScale();
        }
        return device.floats(rows, 1, ids.length, hidden);
    }

    /** Overwrites {@code outputs}, which may be {@code inputs}, with what a block makes of {@code inputs}. */
    public static void advance(
            Activations inputs, Activations outputs, Rope rope, TorchDevice device, TorchLanguageModel.Block block) {
        for (int sample = 0; sample < inputs.samples(); sample++) {
            try (TorchScope scope = new TorchScope()) {
                outputs.set(sample, block.forward(inputs.get(sample, device), rope));
            }
        }
    }
}
