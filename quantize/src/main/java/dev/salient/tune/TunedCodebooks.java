package dev.salient.tune;

import dev.salient.method.Tuning;
import dev.salient.method.Tuning.CodeSteps;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.PackedWeight;
import dev.salient.quantizer.TrainedCodebooks;
import dev.salient.torch.AdamW;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * PV-Tuning (arXiv 2405.14852) of additive codebooks, and its rivals.
 *
 * <p>P step: codebooks and scales along their gradients ({@link TrainedCodebooks}), with Adam, betas 0.9 and 0.95.
 *
 * <p>V step: an offset u, [out, in], is carried along the values' gradient, with Adam, betas 0 and 0.95, in the size of the values' root mean
 * square; each group is encoded anew to values + u, as far as that is nearer ({@link TrainedCodebooks#nearer}). Of the groups whose codes would
 * change the share tau with the largest ||u_g|| may, as many of them as keep {@code ||change|| <= rho ||values||}, and at least one; what
 * a group was carried beyond its new place stays in u, of which the decay is forgotten.
 *
 * <p>Stochastic rounding: each group may change its code in one codebook, that of the step in turn, to the vector that u points to most,
 * with a chance of as much of the way there as u goes; so the expected change is u's projection. Nothing is remembered.
 *
 * <p>Straight-through: the same as V with all groups free to change, nothing forgotten, and Adam's usual betas. Where u remembers, it starts
 * towards the original: the whole way if the group's codes stay its nearest ones then, else half of it, and so on.
 *
 * <p>Differs from the paper in: of groups only those that would change count for tau, and of a linear's rows each V step looks at one
 * eighth in turn, since looking at all takes longer than the gradient; re-encoding starts from the present codes, one codebook at a time.
 */
final class TunedCodebooks implements TunedWeight {
    private static final int HALVINGS = 4;
    /** V steps that it takes to look at all rows. */
    static final int TURNS = 8;
    /** The V step of straight-through weights. */
    private static final CodeSteps FREE = new CodeSteps(0, 1, Double.MAX_VALUE, 0);

    private final TrainedCodebooks linear;
    private final Tuning.Moves moves;
    private final CodeSteps steps;
    private final @Nullable Chance chance;
    /** u, [out * groups, size]. */
    private final @Nullable Tensor carried;

    private final AdamW carrier;
    private final AdamW parts = new AdamW(0.9, 0.95, 1e-8);
    /** Root mean squares of the values and of the vectors' sums at the start. */
    private final double size;

    private final double unit;

    TunedCodebooks(
            AdditiveCodebook stored, Tensor original, Tuning tuning, @Nullable Chance chance, TorchDevice device) {
        this.chance = chance;
        linear = TrainedCodebooks.ofStored(stored, device);
        moves = tuning.moves();
        boolean straight = moves == Tuning.Moves.WEIGHTS;
        steps = straight ? FREE : tuning.codeSteps();
        carrier = straight ? AdamW.standard() : new AdamW(0, 0.95, 1e-12);
        linear.addTo(parts, 0, 1);
        try (TorchScope scope = new TorchScope()) {
            size = rootMeanSquare(linear.values());
            unit = rootMeanSquare(linear.sums(linear.codes()));
        }
        if (moves == Tuning.Moves.SCALES) {
            carried = null;
            return;
        }
        carried = device.zeros(original.numel() / stored.groupSize(), stored.groupSize());
        carrier.add(carried, 0);
        if (steps.decay() < 1 && chance == null) {
            startTowards(original.view_as(carried));
        }
    }

    static double rootMeanSquare(Tensor tensor) {
        return tensor.detach().square().mean().sqrt().item_double();
    }

    private void startTowards(Tensor original) {
        Tensor u = carriedOrFail();
        try (TorchScope scope = new TorchScope()) {
            Tensor sums = linear.sums(linear.codes());
            Tensor way = original.div(linear.groupScales()).sub_(sums).nan_to_num_();
            Tensor found = torch.zeros_like(way.narrow(1, 0, 1));
            for (int halving = HALVINGS; halving >= 0; halving--) { // the longest that does comes last
                double share = Math.pow(0.5, halving);
                Tensor wanted = way.mul(new Scalar(share)).add_(sums);
                Tensor changes = changed(linear.nearer(wanted, linear.codes()));
                Tensor stays = changes.logical_not().to(torch.ScalarType.Float).view(-1, 1);
                found.copy_(torch.maximum(found, stays.mul_(new Scalar(share))));
            }
            u.copy_(way.mul_(found).mul_(linear.groupScales()).mul_(new Scalar(1 - steps.decay())));
        }
    }

    private Tensor carriedOrFail() {
        return java.util.Objects.requireNonNull(carried);
    }

    /** Whether any code of a group is another one, [n]. */
    private Tensor changed(Tensor codes) {
        return codes.ne(linear.codes()).any(0, false);
    }

    @Override
    public Tensor values() {
        return linear.values();
    }

    @Override
    public void step(Rates rates) {
        try (TorchScope scope = new TorchScope()) {
            Tensor gradient = values().grad();
            List<Tensor> gradients = linear.gradients(gradient);
            if (carried != null) {
                double rate = moves == Tuning.Moves.WEIGHTS ? rates.weight() : rates.code() * size;
                carrier.step(List.of(gradient.view_as(carried)), new AdamW.Group(rate, 0));
                moveCodes(carried);
            }
            double rate = moves == Tuning.Moves.CODES ? 0 : rates.scale();
            parts.step(gradients, new AdamW.Group(rate * unit, 0), new AdamW.Group(rate, 0));
            values().mutable_grad().reset();
            linear.refresh();
        }
    }

    private void moveCodes(Tensor u) {
        int step = carrier.steps();
        if (chance != null) {
            linear.moveByChance(
                    (step - 1) % (int) linear.codes().size(0),
                    u.div(linear.groupScales()).nan_to_num_(),
                    chance.draw(step, u.size(0)));
            u.zero_();
            return;
        }
        long most = Math.max(1, Math.round(steps.share() * u.size(0)));
        double limit = steps.trust() * values().detach().square().sum().sqrt().item_double();
        if (moves == Tuning.Moves.WEIGHTS) {
            moveCodes(0, u.size(0), most, limit);
        } else {
            int turn = (step - 1) % TURNS;
            long from = u.size(0) * turn / TURNS;
            moveCodes(from, u.size(0) * (turn + 1) / TURNS - from, most, limit);
        }
        u.mul_(new Scalar(1 - steps.decay()));
    }

    /** Changes the codes of at most so many of these groups. */
    private void moveCodes(long from, long length, long most, double limit) {
        if (length == 0) {
            return;
        }
        Tensor u = carriedOrFail().narrow(0, from, length);
        Tensor now = linear.codes().narrow(1, from, length);
        Tensor scales = linear.groupScales().narrow(0, from, length);
        Tensor sums = linear.sums(now);
        Tensor next = linear.nearer(u.div(scales).nan_to_num_().add_(sums), now);
        Tensor change = linear.sums(next).sub_(sums).mul_(scales);
        Tensor moved = next.ne(now).any(0, false).to(torch.ScalarType.Float);
        Tensor distance = square(u).mul_(moved);
        Tensor at = torch.topk(distance, Math.min(most, length)).get1();
        Tensor sizes = square(change).index_select(0, at);
        Tensor within = sizes.cumsum(0).sqrt_().le(new Scalar(limit)).to(torch.ScalarType.Float);
        within.narrow(0, 0, 1).fill_(new Scalar(1.0)); // one may always change
        Tensor old = now.index_select(1, at);
        now.index_copy_(1, at, next.index_select(1, at).sub_(old).mul_(within).add_(old));
        u.index_add_(0, at, change.index_select(0, at).mul_(within.view(-1, 1)).neg_());
    }

    /** Squared lengths of groups, [n]. */
    private static Tensor square(Tensor groups) {
        return groups.square().sum(new long[] {1}, false, new ScalarTypeOptional());
    }

    @Override
    public PackedWeight pack() {
        return linear.pack();
    }

    @Override
    public Map<String, Tensor> state() {
        Map<String, Tensor> state = new LinkedHashMap<>();
        state.put("codes", linear.codes());
        state.put("vectors", linear.parts().get(0));
        state.put("logs", linear.parts().get(1));
        AdamState.put(state, List.of(), parts);
        if (carried != null) {
            state.put("carried", carried);
            List<Tensor> moments = carrier.moments();
            state.put("carrier.mean", moments.get(0));
            state.put("carrier.square", moments.get(1));
        }
        return state;
    }

    @Override
    public void restored(int stepsTaken) {
        parts.resumeAfter(stepsTaken);
        carrier.resumeAfter(stepsTaken);
        linear.refresh();
    }

    @Override
    public void close() {
        parts.close();
        carrier.close();
    }
}
