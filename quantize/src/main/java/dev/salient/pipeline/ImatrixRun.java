package dev.salient.pipeline;

import dev.salient.calibration.Activations;
import dev.salient.calibration.InputSums;
import dev.salient.calibration.Stream;
import dev.salient.format.gguf.Imatrix;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelWeights;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Measures the energies of all linears' inputs on some windows. */
final class ImatrixRun {
    private ImatrixRun() {}

    static Imatrix run(ModelWeights model, List<int[]> windows, TorchDevice device, RunListener listener) {
        int tokens = windows.getFirst().length;
        Activations.Size size =
                new Activations.Size(windows.size(), tokens, model.config().hiddenSize());
        Map<LinearId, float[]> energies = new LinkedHashMap<>();
        listener.began("imatrix", model.config().blockCount());
        try (Activations states = Activations.inMemory(size);
                TorchScope scope = new TorchScope()) {
            Rope rope = Rope.of(model.config(), tokens, device);
            Stream.embed(model, windows, states, device);
            for (int index = 0; index < model.config().blockCount(); index++) {
                try (TorchScope inner = new TorchScope()) {
                    TorchLanguageModel.Block block = TorchLanguageModel.loadBlock(model, index, device);
                    InputSums sums = InputSums.energies(block, states, rope, device);
                    for (Linear linear : Linear.values()) {
                        energies.put(new LinearId(index, linear), TorchDevice.toFloats(sums.mean(linear)));
                    }
                    Stream.advance(states, states, rope, device, block);
                }
                listener.reached(index + 1L);
            }
        }
        return new Imatrix(energies);
    }
}
