package dev.salient.quantizer;

import dev.salient.fakequant.ClippedGroups;
import dev.salient.fakequant.GroupCodes;
import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.packed.PackedWeight;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import org.bytedeco.pytorch.Tensor;

/** Each weight to the nearest value of its group: no data, no training. */
public final class RoundToNearest {
    private RoundToNearest() {}

    /**
     * Rounds one linear.
     *
     * @param weight [out, in]
     * @param start the clipping, which is final here
     */
    public static PackedWeight quantize(Tensor weight, Grid grid, Start start, TorchDevice device) {
        try (TorchScope scope = new TorchScope()) {
            return GroupCodes.stored(ClippedGroups.of(weight, grid, start, device));
        }
    }
}
