package dev.salient.pipeline;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.model.LinearId;
import dev.salient.packed.PackedWeight;
import dev.salient.quantizer.RoundToNearest;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Spends bits where they lower the model's loss most: again and again the linear moves to a richer grid for which its loss falls
 * most for each bit, as long as the budget lasts.
 *
 * <p>The loss of a linear in a grid is expected from its Fisher information, or measured with it alone rounded ({@link
 * KlSensitivity}), Q rounding with least squared error both times.
 */
final class BitBudget {
    /** What a linear may be moved to. */
    static final List<Grid> RICHER = List.of(new Grid.Signed(4, 64), new Grid.Signed(8, 64));

    /**
     * What a grid costs a linear, and what it leaves.
     *
     * @param bits of the whole linear
     * @param loss expected or measured
     */
    record Choice(Grid grid, double bits, double loss) {}

    private BitBudget() {}

    /** What a linear may be in: the plain grid, and the richer ones that fit rows of so many weights. */
    static List<Grid> grids(Grid plain, int in) {
        List<Grid> grids = new ArrayList<>(List.of(plain));
        RICHER.stream()
                .filter(grid -> grid.bits() > plain.bits() && in % grid.groupSize() == 0)
                .forEach(grids::add);
        return grids;
    }

    /**
     * The expected loss of a linear in a grid, {@code 1/2 sum F (Q(W) - W)^2}.
     *
     * @param weight W, [out, in]
     * @param fisher F, [out, in]
     */
    static double expectedLoss(Tensor weight, Tensor fisher, Grid grid, TorchDevice device) {
        try (TorchScope scope = new TorchScope()) {
            PackedWeight rounded = RoundToNearest.quantize(weight, grid, Start.SQUARED_ERROR, device);
            Tensor off = device.exactValues(rounded).sub(weight);
            return 0.5 * off.square().mul(fisher).sum().item_double();
        }
    }

    /**
     * The linears that are moved, and where to.
     *
     * @param choices of each linear, the plain grid first
     * @param budget bits of all these linears together
     */
    static Map<LinearId, Grid> spend(Map<LinearId, List<Choice>> choices, double budget) {
        Map<LinearId, Choice> present = new HashMap<>();
        double spent = 0;
        for (Map.Entry<LinearId, List<Choice>> entry : choices.entrySet()) {
            Choice plain = entry.getValue().getFirst();
            present.put(entry.getKey(), plain);
            spent += plain.bits();
        }
        require(
                spent <= budget,
                "--target-bpw: got %.0f bits for the linears, want at least the %.0f that they take in the plain grid",
                budget,
                spent);
        Move move = best(choices, present, budget - spent);
        while (move != null) {
            spent += move.bits();
            present.put(move.id, move.to);
            move = best(choices, present, budget - spent);
        }
        Map<LinearId, Grid> moved = new TreeMap<>();
        choices.forEach((id, own) -> {
            Choice last = Objects.requireNonNull(present.get(id));
            if (!last.equals(own.getFirst())) {
                moved.put(id, last.grid());
            }
        });
        return moved;
    }

    private record Move(LinearId id, Choice from, Choice to) {
        double bits() {
            return to.bits - from.bits;
        }

        double gain() {
            return (from.loss - to.loss) / Math.max(1, bits());
        }
    }

    /** The move that gains most for each bit, the first of equal ones; null where none fits. */
    private static @Nullable Move best(
            Map<LinearId, List<Choice>> choices, Map<LinearId, Choice> present, double left) {
        Move best = null;
        for (Map.Entry<LinearId, List<Choice>> entry : choices.entrySet()) {
            Choice from = Objects.requireNonNull(present.get(entry.getKey()));
            for (Choice to : entry.getValue()) {
                Move move = new Move(entry.getKey(), from, to);
                boolean fits = move.bits() > 0 && move.bits() <= left && move.gain() > 0;
                if (fits && (best == null || move.gain() > best.gain())) {
                    best = move;
                }
            }
        }
        return best;
    }
}
