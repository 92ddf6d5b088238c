package dev.salient.tune;

import dev.salient.torch.AdamW;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/** Names of what an optimizer and an adapter keep. */
final class AdamState {
    private AdamState() {}

    /** Adds an adapter's parts and an optimizer's moments to a state. */
    static void put(Map<String, Tensor> state, List<Tensor> adapter, AdamW optimizer) {
        for (int i = 0; i < adapter.size(); i++) {
            state.put("adapter." + i, adapter.get(i));
        }
        List<Tensor> moments = optimizer.moments();
        for (int i = 0; i < moments.size(); i++) {
            state.put("moment." + i, moments.get(i));
        }
    }
}
