package dev.salient.tune;

import dev.salient.fakequant.GroupCodes;
import dev.salient.fakequant.GroupFit;
import dev.salient.method.Grid;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.torch.AdamW;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Codes that stay, under scales that move: {@code values[o, i] = d[o, g] level[o, i] + scaling B A}, {@code level = code - zero},
 * so that the gradient of a scale is {@code sum over its group of gradient level}.
 *
 * <p>What moves is the logarithm of the scale, {@code d = d0 exp(t)}: a rate is relative, and no scale changes its sign.
 */
final class FixedCodes implements TunedWeight {
    /** The optimizer's groups. */
    private static final int SCALE = 0;

    private static final int ADAPTER = 1;

    private final GroupAffine stored;
    private final @Nullable LowRank adapted;
    /** level, [out, groups, group size]. */
    private final Tensor levels;
    /** d0, [out, groups, 1]. */
    private final Tensor scales;
    /** t, [out, groups, 1]. */
    private final Tensor logs;

    private final List<Tensor> adapter = new ArrayList<>();
    private final Tensor values;
    private final AdamW optimizer = AdamW.standard();

    /** A linear as it is stored: GroupAffine, with an adapter or without. */
    FixedCodes(PackedWeight weight, TorchDevice device) {
        adapted = weight instanceof LowRank low ? low : null;
        stored = (GroupAffine) (adapted == null ? weight : adapted.base());
        int groups = stored.groupsPerRow();
        float[] level = new float[stored.out() * stored.in()];
        float[] scale = new float[stored.out() * groups];
        for (int row = 0; row < stored.out(); row++) {
            for (int i = 0; i < stored.in(); i++) {
                level[row * stored.in() + i] = stored.code(row, i) - stored.zero(row, i / stored.groupSize());
            }
            for (int g = 0; g < groups; g++) {
                scale[row * groups + g] = stored.scale(row, g);
            }
        }
        levels = device.floats(level, stored.out(), groups, stored.groupSize());
        scales = device.floats(scale, stored.out(), groups, 1);
        logs = device.zeros(stored.out(), groups, 1);
        values = device.zeros(stored.out(), stored.in()).requires_grad_(true);
        optimizer.add(logs, SCALE);
        if (adapted != null) {
            adapter.add(device.values(adapted.a()));
            adapter.add(device.values(adapted.b()));
        }
        adapter.forEach(part -> optimizer.add(part, ADAPTER));
        refresh();
    }

    private void refresh() {
        try (TorchScope scope = new TorchScope()) {
            Tensor into = values.detach();
            into.copy_(levels.mul(scales.mul(logs.exp())).view(stored.out(), stored.in()));
            if (adapted != null) {
                into.addmm_(adapter.get(1), adapter.get(0), new Scalar(1.0), new Scalar(adapted.scaling()));
            }
        }
    }

    @Override
    public Tensor values() {
        return values;
    }

    @Override
    public void step(Rates rates) {
        try (TorchScope scope = new TorchScope()) {
            Tensor gradient = values.grad();
            List<Tensor> gradients = new ArrayList<>();
            Tensor byScale = gradient.view_as(levels)
                    .mul(levels)
                    .sum(new long[] {2}, true, new org.bytedeco.pytorch.ScalarTypeOptional());
            gradients.add(byScale.mul(scales).mul_(logs.exp()));
            if (adapted != null) {
                Scalar scaling = new Scalar(adapted.scaling());
                gradients.add(adapter.get(1).t().mm(gradient).mul_(scaling));
                gradients.add(gradient.mm(adapter.get(0).t()).mul_(scaling));
            }
            optimizer.step(gradients, new AdamW.Group(rates.scale(), 0), new AdamW.Group(rates.adapter(), 0));
            values.mutable_grad().reset();
            refresh();
        }
    }

    @Override
    public PackedWeight pack() {
        float[] moved;
        try (TorchScope scope = new TorchScope()) {
            moved = TorchDevice.toFloats(scales.mul(logs.exp()));
        }
        Grid grid = new Grid.Affine(stored.bits(), stored.groupSize());
        GroupCodes codes = new GroupCodes(grid, stored.out(), stored.in());
        for (int row = 0; row < stored.out(); row++) {
            for (int g = 0; g < stored.groupsPerRow(); g++) {
                int group = row * stored.groupsPerRow() + g;
                codes.setGroup(group, new GroupFit(grid, moved[group], stored.zero(row, g)));
            }
            for (int i = 0; i < stored.in(); i++) {
                codes.setCode(row * stored.in() + i, stored.code(row, i));
            }
        }
        GroupAffine packed = codes.pack();
        return adapted == null
                ? packed
                : new LowRank(
                        packed,
                        TorchDevice.stored(adapter.get(0), DType.F16),
                        TorchDevice.stored(adapter.get(1), DType.F16),
                        adapted.scaling());
    }

    @Override
    public Map<String, Tensor> state() {
        Map<String, Tensor> state = new LinkedHashMap<>();
        state.put("logs", logs);
        AdamState.put(state, adapter, optimizer);
        return state;
    }

    @Override
    public void restored(int steps) {
        optimizer.resumeAfter(steps);
        refresh();
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
