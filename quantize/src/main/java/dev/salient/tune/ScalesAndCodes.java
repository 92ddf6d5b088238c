package dev.salient.tune;

import dev.salient.fakequant.GroupCodes;
import dev.salient.fakequant.GroupFit;
import dev.salient.method.Grid;
import dev.salient.method.Tuning.CodeSteps;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.GroupAffine.Levels;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.quantizer.TrainedAdapter;
import dev.salient.torch.AdamW;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * PV-Tuning (arXiv 2405.14852) on a grid of numbers: {@code values[o, i] = d[o, g] level[o, i] + scaling B A}.
 *
 * <p>P step: the gradient of a scale is {@code sum over its group of gradient level}. What moves is the scale's logarithm,
 * {@code d = d0 exp(t)}: a rate is relative, and no scale changes its sign.
 *
 * <p>V step: see {@link CodeMoves}.
 */
final class ScalesAndCodes implements TunedWeight {
    /** The optimizer's groups. */
    private static final int SCALE = 0;

    private static final int ADAPTER = 1;

    private final GroupAffine stored;
    private final @Nullable TrainedAdapter adapter;
    private final boolean movesScales;
    private final @Nullable CodeMoves moves;
    /** code - zero, [out, groups, group size]. */
    private final Tensor levels;
    /** d0, [out, groups, 1]. */
    private final Tensor scales;
    /** t, [out, groups, 1]. */
    private final Tensor logs;

    private final Tensor values;
    private final AdamW optimizer = AdamW.standard();

    /**
     * A linear as it is stored.
     *
     * @param weight GroupAffine, with an adapter or without
     * @param steps how codes move, or null where they stay
     * @param chance for stochastic rounding, or null
     */
    ScalesAndCodes(
            PackedWeight weight,
            boolean movesScales,
            @Nullable CodeSteps steps,
            @Nullable Chance chance,
            TorchDevice device) {
        this.adapter = weight instanceof LowRank adapted ? TrainedAdapter.ofStored(adapted, device) : null;
        this.stored = (GroupAffine) (weight instanceof LowRank adapted ? adapted.base() : weight);
        this.movesScales = movesScales;
        int groups = stored.groupsPerRow();
        float[] level = new float[stored.out() * stored.in()];
        float[] scale = new float[stored.out() * groups];
        float[] zero = new float[scale.length];
        for (int row = 0; row < stored.out(); row++) {
            for (int g = 0; g < groups; g++) {
                scale[row * groups + g] = stored.scale(row, g);
                zero[row * groups + g] = stored.zero(row, g);
            }
            for (int i = 0; i < stored.in(); i++) {
                level[row * stored.in() + i] = stored.code(row, i) - stored.zero(row, i / stored.groupSize());
            }
        }
        levels = device.floats(level, stored.out(), groups, stored.groupSize());
        scales = device.floats(scale, stored.out(), groups, 1);
        logs = device.zeros(stored.out(), groups, 1);
        values = device.zeros(stored.out(), stored.in()).requires_grad_(true);
        moves = steps == null ? null : moves(device.floats(zero, stored.out(), groups, 1), steps, chance);
        optimizer.add(logs, SCALE);
        adapterParts().forEach(part -> optimizer.add(part, ADAPTER));
        refresh();
    }

    private CodeMoves moves(Tensor zeros, CodeSteps steps, @Nullable Chance chance) {
        Levels own = stored.levels();
        int largest = own == Levels.ALL ? (1 << stored.bits()) - 1 : 2;
        return new CodeMoves(levels, zeros, largest, own == Levels.SIGNS ? 2 : 1, steps, chance);
    }

    /**
     * Lets u start from where it points to the original, where steps remember it.
     *
     * @param original [out, in]
     */
    ScalesAndCodes startTowards(Tensor original) {
        if (moves != null) {
            try (TorchScope scope = new TorchScope()) {
                Tensor below = adapter == null
                        ? original
                        : original.sub(adapter.b().mm(adapter.a()), new Scalar(adapter.scaling()));
                moves.startTowards(below.view_as(levels).div(scales).nan_to_num_());
            }
        }
        return this;
    }

    private List<Tensor> adapterParts() {
        return adapter == null ? List.of() : adapter.parts();
    }

    private Tensor present() {
        return scales.mul(logs.exp());
    }

    private void refresh() {
        try (TorchScope scope = new TorchScope()) {
            Tensor into = values.detach();
            into.copy_(levels.mul(present()).view(stored.out(), stored.in()));
            if (adapter != null) {
                adapter.addTo(into);
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
            Tensor inGroups = gradient.view_as(levels);
            Tensor present = present();
            List<Tensor> gradients = new ArrayList<>();
            Tensor byScale = inGroups.mul(levels).sum(new long[] {2}, true, new ScalarTypeOptional());
            gradients.add(byScale.mul_(present));
            if (adapter != null) {
                gradients.addAll(adapter.gradients(gradient));
            }
            if (moves != null) {
                moves.step(inGroups, present, rates.code());
            }
            optimizer.step(
                    gradients,
                    new AdamW.Group(movesScales ? rates.scale() : 0, 0),
                    new AdamW.Group(rates.adapter(), 0));
            values.mutable_grad().reset();
            refresh();
        }
    }

    @Override
    public PackedWeight pack() {
        float[] scale;
        try (TorchScope scope = new TorchScope()) {
            scale = TorchDevice.toFloats(present());
        }
        float[] level = TorchDevice.toFloats(levels);
        Grid grid = new Grid.Affine(stored.bits(), stored.groupSize());
        GroupCodes codes = new GroupCodes(grid, stored.out(), stored.in());
        for (int row = 0; row < stored.out(); row++) {
            for (int g = 0; g < stored.groupsPerRow(); g++) {
                int group = row * stored.groupsPerRow() + g;
                codes.setGroup(group, new GroupFit(grid, scale[group], stored.zero(row, g)));
            }
            for (int i = 0; i < stored.in(); i++) {
                int at = row * stored.in() + i;
                codes.setCode(at, (int) level[at] + stored.zero(row, i / stored.groupSize()));
            }
        }
        GroupAffine packed = codes.pack();
        return adapter == null ? packed : adapter.over(packed);
    }

    @Override
    public Map<String, Tensor> state() {
        Map<String, Tensor> state = new LinkedHashMap<>();
        state.put("levels", levels);
        state.put("logs", logs);
        if (moves != null) {
            state.put("square", moves.square());
            state.put("carried", moves.carried());
        }
        AdamState.put(state, adapterParts(), optimizer);
        return state;
    }

    @Override
    public void restored(int steps) {
        optimizer.resumeAfter(steps);
        if (moves != null) {
            moves.resumeAfter(steps);
        }
        refresh();
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
