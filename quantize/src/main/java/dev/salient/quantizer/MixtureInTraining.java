package dev.salient.quantizer;

import dev.salient.fakequant.BinaryMixture;
import dev.salient.fakequant.FakeQuant.Weighting;
import dev.salient.method.Adapters;
import dev.salient.method.Grid;
import dev.salient.method.Method.PartialRetraining;
import dev.salient.method.Preservation.Place;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaleMixture;
import dev.salient.torch.TorchDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * A linear whose scales follow the token, with an adapter beside it: {@code x -> mixture(x) + scaling x A^T B^T}.
 *
 * <p>What the preservation term holds near the original is the weight for a token that the router shares out evenly,
 * {@link dev.salient.torch.MixtureLinear#even}: a weight for all tokens there is not.
 *
 * @param adapter its parts are leaves; null where rank is 0
 * @param place whether the preservation term sees the adapter
 */
record MixtureInTraining(
        Tensor original, BinaryMixture mixture, @Nullable TrainedAdapter adapter, Place place) implements InTraining {
    /**
     * A linear before its training.
     *
     * @param original [out, in]
     * @param energy mean of x_i^2, [in], for adapters that start by the inputs; else null
     */
    static MixtureInTraining of(
            Tensor original,
            @Nullable Tensor energy,
            PartialRetraining method,
            Grid.BinaryMos grid,
            TorchDevice device,
            SplittableRandom random) {
        Adapters adapters = method.adapters();
        Place place = method.preservation().place();
        BinaryMixture mixture =
                new BinaryMixture(original, grid.experts(), method.trainsWeights(), device, random.split());
        if (adapters.rank() == 0) {
            return new MixtureInTraining(original, mixture, null, place);
        }
        TrainedAdapter adapter;
        if (adapters.start() == Adapters.Start.ZERO) {
            adapter = TrainedAdapter.ofNothing(original, adapters, device, random);
        } else { // experts start alike, so that the even weight is what all tokens see
            Tensor error = original.sub(mixture.linear().even().detach());
            adapter = ErrorAdapter.fit(error, energy, adapters.rank()).scaledBy(adapters.scaling());
        }
        adapter.parts().forEach(part -> part.requires_grad_(true));
        return new MixtureInTraining(original, mixture, adapter, place);
    }

    @Override
    public Tensor apply(Tensor x) {
        Tensor y = mixture.linear().apply(x);
        return adapter == null
                ? y
                : y.add(torch.linear(torch.linear(x, adapter.a()), adapter.b()), new Scalar(adapter.scaling()));
    }

    @Override
    public List<Parameter> parameters() {
        List<Parameter> parameters = new ArrayList<>();
        mixture.scales().forEach(scale -> parameters.add(new Parameter(scale, Role.SCALE)));
        Tensor latent = mixture.findLatent();
        if (latent != null) {
            parameters.add(new Parameter(latent, Role.WEIGHT));
        }
        adapterParts().forEach(part -> parameters.add(new Parameter(part, Role.ADAPTER)));
        return parameters;
    }

    private List<Tensor> adapterParts() {
        return adapter == null ? List.of() : adapter.parts();
    }

    @Override
    public TrainedLinear.Step gradients(boolean fitsOutput, @Nullable Weighting preservation) {
        double sum = 0;
        if (preservation != null) {
            Tensor term = effective()
                    .sub(original)
                    .square()
                    .mul(preservation.saliency())
                    .sum();
            sum = term.item_double();
            if (preservation.lambda() > 0) {
                term.mul(new Scalar(preservation.lambda())).backward();
            }
        }
        List<Tensor> gradients = new ArrayList<>();
        mixture.scales().forEach(scale -> gradients.add(BinaryMixture.gradient(scale)));
        if (mixture.findLatent() != null) {
            gradients.add(mixture.latentGradient());
        }
        adapterParts().forEach(part -> gradients.add(BinaryMixture.gradient(part)));
        return new TrainedLinear.Step(gradients, sum);
    }

    private Tensor effective() {
        Tensor even = mixture.linear().even();
        return adapter == null || place == Place.BEFORE_ADAPTER
                ? even
                : even.add(adapter.b().mm(adapter.a()), new Scalar(adapter.scaling()));
    }

    @Override
    public void refresh() {
        mixture.refresh();
        adapterParts().forEach(part -> part.mutable_grad().reset());
    }

    @Override
    public PackedWeight pack() {
        ScaleMixture stored = mixture.stored();
        return adapter == null ? stored : adapter.over(stored);
    }
}
