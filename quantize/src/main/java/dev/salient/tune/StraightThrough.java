package dev.salient.tune;

import dev.salient.fakequant.ClippedGroups;
import dev.salient.fakequant.FakeQuant;
import dev.salient.method.Grid;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.quantizer.TrainedLinear;
import dev.salient.torch.AdamW;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/**
 * Codes that follow a weight below them: {@code values = Q(W; u, l) + scaling B A}, and the gradient of the values is taken as
 * that of W, as if rounding were the identity, but for weights beyond the grid's ends.
 */
final class StraightThrough implements TunedWeight {
    /** The optimizer's groups. */
    private static final int CLIPPING = 0;

    private static final int WEIGHT = 1;
    private static final int ADAPTER = 2;

    private final TrainedLinear linear;
    private final FakeQuant fakeQuant;
    private final AdamW optimizer = AdamW.standard();
    /** Whether zero points follow from signs, as in symmetric grids: then both ends move alike, or they would cost bits. */
    private final boolean keepsZeros;

    /**
     * A linear as it is stored.
     *
     * @param stored GroupAffine or Q2_K, with an adapter or without
     * @param original [out, in], which weights start as near to as their codes let them
     */
    StraightThrough(PackedWeight stored, Tensor original, TorchDevice device) {
        this.linear = TrainedLinear.ofStored(stored, original, device);
        ClippedGroups groups = linear.groups();
        this.fakeQuant = FakeQuant.of(groups.grid(), device);
        PackedWeight base = stored instanceof LowRank adapted ? adapted.base() : stored;
        keepsZeros = (groups.grid() instanceof Grid.Affine || groups.grid() instanceof Grid.Signed)
                && base instanceof GroupAffine affine
                && affine.zerosFollowFromSigns();
        optimizer.add(groups.upper(), CLIPPING);
        optimizer.add(groups.lower(), CLIPPING);
        optimizer.add(groups.latent(), WEIGHT);
        linear.adapterParts().forEach(part -> optimizer.add(part, ADAPTER));
        linear.refresh(fakeQuant);
    }

    @Override
    public Tensor values() {
        return linear.effective();
    }

    @Override
    public void step(Rates rates) {
        try (TorchScope scope = new TorchScope()) {
            List<Tensor> gradients =
                    new ArrayList<>(linear.gradients(fakeQuant, true, null).gradients());
            if (keepsZeros) {
                Tensor both = gradients.get(0).add(gradients.get(1));
                gradients.set(0, both);
                gradients.set(1, both);
            }
            optimizer.step(
                    gradients,
                    new AdamW.Group(2 * rates.scale(), 0), // at sigmoid(0) the range follows half the logit
                    new AdamW.Group(rates.weight(), 0),
                    new AdamW.Group(rates.adapter(), 0));
            values().mutable_grad().reset();
            linear.refresh(fakeQuant);
        }
    }

    @Override
    public PackedWeight pack() {
        return linear.pack();
    }

    @Override
    public Map<String, Tensor> state() {
        Map<String, Tensor> state = new LinkedHashMap<>();
        state.put("upper", linear.groups().upper());
        state.put("lower", linear.groups().lower());
        state.put("weight", linear.groups().latent());
        AdamState.put(state, linear.adapterParts(), optimizer);
        return state;
    }

    @Override
    public void restored(int steps) {
        optimizer.resumeAfter(steps);
        linear.refresh(fakeQuant);
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
