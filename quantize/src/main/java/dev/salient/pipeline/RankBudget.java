package dev.salient.pipeline;

import dev.salient.method.Adapters;
import dev.salient.method.Grid;
import dev.salient.method.Method.Start;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelWeights;
import dev.salient.quantizer.RoundToNearest;
import dev.salient.saliency.FisherFile;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.StringViewOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Spends the bits of adapters where they lower the model's expected loss most, one rank of one linear at a time.
 *
 * <p>Of a linear in a grid the loss is expected to rise by {@code 1/2 sum F (Q(W) - W)^2}, F its Fisher information, Q rounding with
 * least squared error. With F taken as a product, {@code F[o, i] = rows[o] columns[i]} of its means, that is half the squared norm of
 * {@code rows^1/2 (Q(W) - W) columns^1/2}; the r-th rank of an adapter takes half the square of its r-th singular value away.
 */
record RankBudget(ModelWeights model, Grid grid, Adapters adapters, TorchDevice device) {
    /** The rank of each linear that is not kept; 0 for none. */
    Map<LinearId, Integer> ranks(FisherFile fisher, Set<LinearId> kept, RunListener listener) throws IOException {
        Map<LinearId, List<Step>> steps = new TreeMap<>();
        int blocks = model.config().blockCount();
        listener.began("ranks", blocks);
        for (int block = 0; block < blocks; block++) {
            try (TorchScope scope = new TorchScope()) {
                Map<Linear, Tensor> saliency = fisher.read(block, device);
                for (Linear linear : Linear.values()) {
                    LinearId id = new LinearId(block, linear);
                    if (!kept.contains(id)) {
                        steps.put(id, steps(id, Objects.requireNonNull(saliency.get(linear))));
                    }
                }
            }
            listener.reached(block + 1L);
        }
        return spend(steps, adapters.budget() * model.config().linearWeightCount());
    }

    /**
     * One more rank of a linear's adapter.
     *
     * @param gain what the expected loss falls by
     * @param bits that it takes
     */
    record Step(double gain, long bits) {}

    private List<Step> steps(LinearId id, Tensor fisher) {
        Tensor weight =
                device.halfPrecisionValues(model.blocks().get(id.block()).linear(id.linear()));
        List<Step> steps = new ArrayList<>();
        long before = 0;
        for (double gain : gains(weight, fisher, grid, device)) {
            long all = adapters.withRank(steps.size() + 1).bits(weight.size(0), weight.size(1));
            steps.add(new Step(gain, all - before));
            before = all;
        }
        return steps;
    }

    /**
     * What each further rank takes off a linear's expected loss, largest first: min(out, in) numbers.
     *
     * @param weight [out, in]
     * @param fisher F, [out, in]
     */
    static double[] gains(Tensor weight, Tensor fisher, Grid grid, TorchDevice device) {
        try (TorchScope scope = new TorchScope()) {
            Tensor rounded = device.exactValues(RoundToNearest.quantize(weight, grid, Start.SQUARED_ERROR, device));
            double mean = fisher.mean().item_double();
            if (mean == 0) {
                return new double[0]; // a linear that the loss does not see
            }
            Tensor rows = mean(fisher, 1).div(new Scalar(mean)).sqrt();
            Tensor columns = mean(fisher, 0).sqrt();
            Tensor weighed = rounded.sub(weight).mul(rows).mul(columns);
            float[] values = TorchDevice.toFloats(torch.linalg_svdvals(weighed, new StringViewOptional()));
            double[] gains = new double[values.length];
            for (int i = 0; i < gains.length; i++) {
                gains[i] = 0.5 * values[i] * values[i];
            }
            return gains;
        }
    }

    private static Tensor mean(Tensor fisher, long dimension) {
        return fisher.sum(new long[] {dimension}, true, new ScalarTypeOptional())
                .div(new Scalar((double) fisher.size(dimension)));
    }

    /**
     * The rank of each linear.
     *
     * @param steps of each linear, each worth at most what the one before it is
     * @param budget bits of all adapters together
     */
    static Map<LinearId, Integer> spend(Map<LinearId, List<Step>> steps, double budget) {
        Map<LinearId, Integer> ranks = new TreeMap<>();
        steps.keySet().forEach(id -> ranks.put(id, 0));
        double left = budget;
        LinearId best = best(steps, ranks, left);
        while (best != null) {
            int rank = ranks.merge(best, 1, Integer::sum);
            left -= next(steps, best, rank - 1).bits();
            best = best(steps, ranks, left);
        }
        return ranks;
    }

    private static Step next(Map<LinearId, List<Step>> steps, LinearId id, int rank) {
        return Objects.requireNonNull(steps.get(id)).get(rank);
    }

    /** The linear whose next rank gains most for each bit, the first of equal ones; null where none fits. */
    private static @Nullable LinearId best(Map<LinearId, List<Step>> steps, Map<LinearId, Integer> ranks, double left) {
        LinearId best = null;
        double most = 0;
        for (Map.Entry<LinearId, Integer> entry : ranks.entrySet()) {
            LinearId id = entry.getKey();
            if (entry.getValue() == Objects.requireNonNull(steps.get(id)).size()) {
                continue;
            }
            Step step = next(steps, id, entry.getValue());
            double rate = step.gain() / step.bits();
            if (step.bits() <= left && rate > most) {
                most = rate;
                best = id;
            }
        }
        return best;
    }
}
