package dev.salient.saliency;

import dev.salient.calibration.Activations;
import dev.salient.calibration.Stream;
import dev.salient.model.ModelWeights;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Finds the blocks that make massive activations: where the largest token's energy leaps far above the ordinary token's.
 *
 * <p>All later attention leans on those tokens, and it is the MLP of such a block that makes them, with a few weights:
 * bits spent there count more than elsewhere.
 */
public final class MassiveActivations {
    /** A token is massive where its energy is this many times the median token's. */
    private static final double MASSIVE = 30;

    /** A block makes it where the largest energy grows by this factor in it. */
    private static final double LEAP = 4;

    private MassiveActivations() {}

    /**
     * A block whose MLP makes a massive activation.
     *
     * @param leap largest token energy behind the block over that before it
     */
    public record Maker(int block, double leap) {}

    /**
     * The makers among a model's blocks, largest leap first.
     *
     * @param windows a few calibration samples, all of one length
     */
    public static List<Maker> find(ModelWeights model, List<int[]> windows, TorchDevice device) {
        int tokens = windows.getFirst().length;
        List<Maker> makers = new ArrayList<>();
        try (Activations states = Activations.inMemory(new Activations.Size(
                        windows.size(), tokens, model.config().hiddenSize()));
                TorchScope scope = new TorchScope()) {
            Rope rope = Rope.of(model.config(), tokens, device);
            Stream.embed(model, windows, states, device);
            double before = energies(states, device)[0];
            for (int block = 0; block < model.config().blockCount(); block++) {
                try (TorchScope inner = new TorchScope()) {
                    Stream.advance(states, states, rope, device, TorchLanguageModel.loadBlock(model, block, device));
                }
                double[] behind = energies(states, device);
                if (behind[0] > MASSIVE * behind[1] && behind[0] > LEAP * before) {
                    makers.add(new Maker(block, behind[0] / before));
                }
                before = behind[0];
            }
        }
        makers.sort(Comparator.comparingDouble(Maker::leap).reversed());
        return makers;
    }

    /** Largest and median squared norm of a token. */
    private static double[] energies(Activations states, TorchDevice device) {
        float[] all = new float[states.samples() * states.tokens()];
        for (int sample = 0; sample < states.samples(); sample++) {
            try (TorchScope scope = new TorchScope()) {
                float[] energies =
                        TorchDevice.toFloats(states.get(sample, device).square().sum(-1));
                System.arraycopy(energies, 0, all, sample * states.tokens(), energies.length);
            }
        }
        Arrays.sort(all);
        return new double[] {all[all.length - 1], all[all.length / 2]};
    }
}
