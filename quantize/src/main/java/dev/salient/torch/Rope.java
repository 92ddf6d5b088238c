package dev.salient.torch;

import dev.salient.model.ModelConfig;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Rotary position embedding, Hugging Face's order: channel {@code i} turns with channel {@code i + headSize / 2}.
 *
 * @param cos [tokens, headSize]
 * @param sin [tokens, headSize], its first half negated, so that a turn is {@code x cos + swap(x) sin}
 * @param ofWindows that of blocks with a sliding window; null where it is the same
 */
public record Rope(Tensor cos, Tensor sin, @Nullable Rope ofWindows) {
    Rope(Tensor cos, Tensor sin) {
        this(cos, sin, null);
    }

    /** The turns of positions 0 to {@code tokens - 1}. */
    public static Rope of(ModelConfig config, int tokens, TorchDevice device) {
        double[] local = config.localRopeFrequencies();
        Rope all = of(config.ropeFrequencies(), tokens, device);
        return local == null ? all : new Rope(all.cos, all.sin, of(local, tokens, device));
    }

    private static Rope of(double[] frequencies, int tokens, TorchDevice device) {
        int half = frequencies.length;
        float[] cos = new float[tokens * 2 * half];
        float[] sin = new float[tokens * 2 * half];
        for (int t = 0; t < tokens; t++) {
            for (int i = 0; i < half; i++) {
                int at = t * 2 * half + i;
                cos[at] = cos[at + half] = (float) Math.cos(t * frequencies[i]);
                sin[at + half] = (float) Math.sin(t * frequencies[i]);
                sin[at] = -sin[at + half];
            }
        }
        return new Rope(device.floats(cos, tokens, 2L * half), device.floats(sin, tokens, 2L * half));
    }

    /** What blocks with a sliding window turn by. */
    Rope local() {
        return ofWindows == null ? this : ofWindows;
    }

    /** Turns queries or keys, [batch, heads, tokens, headSize]. */
    Tensor turn(Tensor x) {
        long half = x.size(3) / 2;
        Tensor swapped = torch.cat(new TensorVector(x.narrow(3, half, half), x.narrow(3, 0, half)), -1);
        return x.mul(cos).add(swapped.mul(sin));
    }
}
