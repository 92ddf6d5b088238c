package dev.salient.tune;

import dev.salient.method.Tuning;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.model.Norm;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.SuperBlocks;
import dev.salient.packed.SuperFormat;
import dev.salient.tensor.DType;
import dev.salient.torch.AdamW;
import dev.salient.torch.TorchBlock;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import dev.salient.tune.TunedWeight.Rates;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/** One block under tuning: linears and the gains of its norms. Linears that are neither in groups nor of codebooks stay as they are, but
 * for Q2_K's, which follow weights below them. */
final class TunedBlock implements AutoCloseable {
    private final BlockWeights stored;
    private final TorchLanguageModel.Block original;
    private final Map<Linear, Tensor> saliency;
    private final Map<Linear, TunedWeight> tuned = new EnumMap<>(Linear.class);
    private final TorchLanguageModel.Block block;
    private final AdamW norms = AdamW.standard();

    /**
     * A block as it is stored.
     *
     * @param original of the same place in the original model
     * @param saliency F of each linear, [out, in], where the settings have a term that needs it
     * @param seed of stochastic rounding
     */
    TunedBlock(
            ModelConfig config,
            BlockWeights stored,
            TorchLanguageModel.Block original,
            Tuning tuning,
            Map<Linear, Tensor> saliency,
            TorchDevice device,
            long seed) {
        this.stored = stored;
        this.original = original;
        this.saliency = saliency;
        Map<Linear, Tensor> values = new EnumMap<>(Linear.class);
        SplittableRandom seeds = new SplittableRandom(seed);
        for (Linear linear : Linear.values()) {
            Chance chance = tuning.moves() == Tuning.Moves.STOCHASTIC ? new Chance(seeds.nextLong(), device) : null;
            TunedWeight own = find(stored.linear(linear), original.weight(linear), tuning, chance, device);
            if (own == null) {
                values.put(linear, device.exactValues(stored.linear(linear)));
            } else {
                tuned.put(linear, own);
                values.put(linear, own.values());
            }
        }
        Map<Norm, Tensor> gains = new EnumMap<>(Norm.class);
        stored.norms().forEach((norm, gain) -> {
            gains.put(norm, device.values(gain).requires_grad_(true));
            norms.add(gains.get(norm), 0);
        });
        Map<Linear, Tensor> biases = TorchLanguageModel.biases(stored, device);
        block = new TorchLanguageModel.Block(
                new TorchBlock(config, original.block().index(), gains, biases), values);
    }

    /** What moves a linear; null where nothing does. */
    private static @Nullable TunedWeight find(
            PackedWeight weight, Tensor original, Tuning tuning, @Nullable Chance chance, TorchDevice device) {
        Tuning.Moves moves = tuning.moves();
        PackedWeight base = weight instanceof LowRank adapted ? adapted.base() : weight;
        return switch (base) {
            case AdditiveCodebook codebook
            when !(weight instanceof LowRank) -> new TunedCodebooks(codebook, original, tuning, chance, device);
            case GroupAffine affine ->
                switch (moves) {
                    case SCALES -> new ScalesAndCodes(weight, true, null, null, device);
                    case STOCHASTIC -> new ScalesAndCodes(weight, true, tuning.codeSteps(), chance, device);
                    case CODES, PV ->
                        new ScalesAndCodes(weight, moves == Tuning.Moves.PV, tuning.codeSteps(), null, device)
                                .startTowards(original);
                    case WEIGHTS -> new StraightThrough(weight, original, device);
                };
            case SuperBlocks blocks
            when moves == Tuning.Moves.WEIGHTS && blocks.format() == SuperFormat.Q2_K ->
                new StraightThrough(weight, original, device);
            default -> null;
        };
    }

    /** What computes: its weights are the leaves. */
    TorchLanguageModel.Block block() {
        return block;
    }

    /** Linears that move. */
    int tunedLinears() {
        return tuned.size();
    }

    /** {@code sum F (W_eff - W)^2} over the linears that move. */
    double preservation() {
        double sum = 0;
        for (Map.Entry<Linear, TunedWeight> entry : tuned.entrySet()) {
            try (TorchScope scope = new TorchScope()) {
                sum += weighed(entry.getKey(), off(entry).square_()).sum().item_double();
            }
        }
        return sum;
    }

    private Tensor off(Map.Entry<Linear, TunedWeight> entry) {
        return entry.getValue().values().detach().sub(original.weight(entry.getKey()));
    }

    /** Overwrites these numbers with F times them. */
    private Tensor weighed(Linear linear, Tensor numbers) {
        Tensor f = saliency.get(linear);
        return f == null ? numbers : numbers.mul_(f);
    }

    /**
     * Moves everything along the gradients that the leaves have collected.
     *
     * @param lambda factor of {@link #preservation}, whose gradient is added
     */
    void step(Rates rates, double lambda) {
        if (lambda > 0) {
            for (Map.Entry<Linear, TunedWeight> entry : tuned.entrySet()) {
                try (TorchScope scope = new TorchScope()) {
                    Tensor gradient = entry.getValue().values().mutable_grad();
                    gradient.add_(weighed(entry.getKey(), off(entry)), new Scalar(2 * lambda));
                }
            }
        }
        tuned.values().forEach(weight -> weight.step(rates));
        try (TorchScope scope = new TorchScope()) {
            List<Tensor> gains = List.copyOf(block.block().norms().values());
            norms.step(gains.stream().map(Tensor::grad).toList(), new AdamW.Group(rates.norm(), 0));
            gains.forEach(gain -> gain.mutable_grad().reset());
        }
    }

    /** The stored form of what it is now; gains in fp32, since a step may be less than what 16 bits tell apart. */
    BlockWeights pack() {
        Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
        for (Linear linear : Linear.values()) {
            TunedWeight own = tuned.get(linear);
            linears.put(linear, own == null ? stored.linear(linear) : own.pack());
        }
        Map<Norm, dev.salient.tensor.Tensor> gains = new EnumMap<>(Norm.class);
        block.block().norms().forEach((norm, gain) -> gains.put(norm, TorchDevice.stored(gain, DType.F32)));
        return new BlockWeights(gains, linears, stored.biases());
    }

    /** All that a later run needs to go on alike, by name. */
    Map<String, Tensor> state() {
        Map<String, Tensor> state = new LinkedHashMap<>();
        tuned.forEach((linear, weight) ->
                weight.state().forEach((name, part) -> state.put(linear.label() + "." + name, part)));
        block.block().norms().forEach((norm, gain) -> state.put("norm." + norm.label(), gain));
        AdamState.put(state, List.of(), norms);
        return state;
    }

    /** Hears that {@link #state} was overwritten with that after so many steps. */
    void restored(int steps) {
        tuned.values().forEach(weight -> weight.restored(steps));
        norms.resumeAfter(steps);
    }

    @Override
    public void close() {
        tuned.values().forEach(TunedWeight::close);
        norms.close();
    }
}
