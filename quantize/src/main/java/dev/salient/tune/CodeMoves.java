package dev.salient.tune;

import dev.salient.method.Tuning.CodeSteps;
import dev.salient.torch.TorchScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * PV-Tuning's V step, linearised (arXiv 2405.14852, algorithm 2), on codes that are levels of a scale d of either sign.
 *
 * <pre>
 * square  = b square + (1 - b) g^2                       Adam with betas 0 and b = 0.95; g by values
 * u       = u - rate sign(d) g / (sqrt(square / (1 - b^step)) + eps)       in steps of the grid
 * wanted  = nearest level to level + u
 * </pre>
 *
 * <p>With a small step hardly a code would ever leave its place, and with a large one all would: so the step is large, and only
 * the share of codes that were carried farthest may change. Of these, in the same order, as many change as keep {@code ||change
 * of values|| <= trust ||values||}, and at least one.
 *
 * <p>Stochastic rounding, a rival: every code goes to one of the two levels around level + u, to the upper one with a chance as large
 * as the part of the way there, and nothing is remembered. The change's expectation is u.
 */
final class CodeMoves {
    private static final double BETA = 0.95;
    private static final double EPSILON = 1e-12;

    private final Tensor levels;
    private final Tensor lowest;
    private final Tensor highest;
    /** From one level to the next. */
    private final double spacing;

    private final CodeSteps settings;
    private final @Nullable Chance chance;
    private final Tensor square;
    private final Tensor carried;
    private int steps;

    /**
     * Moves of these codes.
     *
     * @param levels code - zero, [out, groups, group size]; overwritten by each step
     * @param zeros [out, groups, 1]
     * @param largest code
     * @param spacing of the codes: 1; 2 where they are signs
     * @param settings of which stochastic rounding looks at the rate alone, which each step is given
     * @param chance for stochastic rounding, or null
     */
    CodeMoves(Tensor levels, Tensor zeros, int largest, int spacing, CodeSteps settings, @Nullable Chance chance) {
        this.levels = levels;
        this.spacing = spacing;
        this.lowest = zeros.neg();
        this.highest = lowest.add(new Scalar((double) largest));
        this.settings = settings;
        this.chance = chance;
        this.square = torch.zeros_like(levels);
        this.carried = torch.zeros_like(levels);
    }

    /** Second moments of the gradient, [out, groups, group size]. */
    Tensor square() {
        return square;
    }

    /** u, how far each code was carried without changing, [out, groups, group size]. */
    Tensor carried() {
        return carried;
    }

    /**
     * Lets codes start out carried towards these levels, as far as they stay the nearest; for steps that remember it.
     *
     * @param wanted [out, groups, group size]
     */
    void startTowards(Tensor wanted) {
        try (TorchScope scope = new TorchScope()) {
            ScalarOptional most = new ScalarOptional(new Scalar(0.49 * spacing));
            ScalarOptional least = new ScalarOptional(new Scalar(-0.49 * spacing));
            carried.copy_(wanted.sub(levels).clamp_(least, most).mul_(new Scalar(1 - settings.decay())));
        }
    }

    void resumeAfter(int stepsTaken) {
        steps = stepsTaken;
    }

    /**
     * Changes a few codes.
     *
     * @param gradient by the values, [out, groups, group size]
     * @param scales d, [out, groups, 1]
     * @param rate in steps of the grid
     */
    void step(Tensor gradient, Tensor scales, double rate) {
        steps++;
        try (TorchScope scope = new TorchScope()) {
            square.mul_(new Scalar(BETA)).addcmul_(gradient, gradient, new Scalar(1 - BETA));
            double correction = 1 / Math.sqrt(1 - Math.pow(BETA, steps));
            Tensor root = square.sqrt().mul_(new Scalar(correction)).add_(new Scalar(EPSILON));
            carried.sub_(gradient.div(root).mul_(scales.sign()).mul_(new Scalar(rate * spacing)));
            Tensor at = levels.add(carried).sub_(lowest).div_(new Scalar(spacing));
            Tensor nearest = chance == null
                    ? at.round_()
                    : at.add_(chance.draw(steps, at.sizes().vec().get())).floor_();
            Tensor wanted = nearest.mul_(new Scalar(spacing)).add_(lowest);
            wanted = torch.minimum(torch.maximum(wanted, lowest), highest);
            if (chance != null) {
                levels.copy_(wanted);
                carried.zero_();
                return;
            }
            Tensor change = wanted.sub(levels);
            Tensor distance = carried.mul(change.sign()).clamp_min_(new Scalar(0.0)); // 0 where the code stays
            apply(change, distance, scales);
            // no farther than half a step beyond the grid's ends, or it would never come back
            Tensor lower = lowest.sub(levels).sub_(new Scalar(0.5 * spacing));
            Tensor upper = highest.sub(levels).add_(new Scalar(0.5 * spacing));
            carried.copy_(torch.minimum(torch.maximum(carried, lower), upper)).mul_(new Scalar(1 - settings.decay()));
        }
    }

    private void apply(Tensor change, Tensor distance, Tensor scales) {
        long most = Math.max(1, Math.round(settings.share() * levels.numel()));
        var top = torch.topk(distance.view(-1), most);
        Tensor at = top.get1();
        Tensor moves = change.view(-1).index_select(0, at);
        Tensor steps = moves.mul(scales.expand_as(levels).reshape(-1).index_select(0, at));
        double limit =
                settings.trust() * levels.mul(scales).square().sum().sqrt().item_double();
        Tensor size = steps.square().cumsum(0).sqrt_();
        Tensor within = size.le(new Scalar(limit)).to(torch.ScalarType.Float);
        within.narrow(0, 0, 1).fill_(new Scalar(1.0)); // one may always change
        Tensor taken = moves.mul_(within);
        levels.view(-1).index_add_(0, at, taken);
        carried.view(-1).index_add_(0, at, taken.neg()); // what a code was carried beyond its new place stays
    }
}
