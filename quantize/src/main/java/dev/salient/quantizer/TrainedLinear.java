package dev.salient.quantizer;

import dev.salient.fakequant.ClippedGroups;
import dev.salient.fakequant.FakeQuant;
import dev.salient.fakequant.GroupCodes;
import dev.salient.method.Adapters;
import dev.salient.method.Method.PartialRetraining;
import dev.salient.method.Preservation.Place;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * One linear under training: {@code x -> x (Q(W; u, l) + scaling B A)^T}, with DoRA each row then stretched to its length.
 *
 * <p>The effective weight {@code Q(W) + scaling B A} is the leaf that libtorch differentiates by; from its gradient G come
 * those of the clipping (through {@link FakeQuant}) and {@code dA = scaling B^T G}, {@code dB = scaling G A^T}.
 *
 * @param adapter null where rank is 0
 * @param magnitude of DoRA; null for LoRA
 * @param place which weight the preservation term holds near the original's
 */
public record TrainedLinear(
        ClippedGroups groups,
        @Nullable TrainedAdapter adapter,
        @Nullable TrainedMagnitude magnitude,
        Place place) {

    /**
     * A linear before its training.
     *
     * @param original [out, in]
     * @param energy mean of x_i^2, [in], for adapters that start by the inputs; else null
     * @param adapters of this linear: the method's, or with a rank of their own
     */
    static TrainedLinear of(
            Tensor original,
            @Nullable Tensor energy,
            PartialRetraining method,
            Adapters adapters,
            TorchDevice device,
            SplittableRandom random) {
        ClippedGroups frozen = ClippedGroups.of(original, method.grid(), method.start(), device);
        ClippedGroups groups = method.trainsWeights() ? frozen.withTrainedWeight() : frozen;
        Place place = method.preservation().place();
        if (adapters.rank() == 0) {
            return new TrainedLinear(groups, null, null, place);
        }
        TrainedMagnitude magnitude = adapters.kind() == Adapters.Kind.DORA ? TrainedMagnitude.of(original) : null;
        if (adapters.start() == Adapters.Start.ZERO) {
            TrainedAdapter none = TrainedAdapter.ofNothing(original, adapters, device, random);
            return new TrainedLinear(groups, none, magnitude, place);
        }
        FakeQuant.of(method.grid(), device).quantize(groups);
        Tensor error = original.sub(groups.values().detach());
        TrainedAdapter fitted = ErrorAdapter.fit(error, energy, adapters.rank());
        return new TrainedLinear(groups, fitted.scaledBy(adapters.scaling()), magnitude, place);
    }

    /**
     * A linear as it is stored, to be trained on with all that it has.
     *
     * @param stored GroupAffine or Q2_K, with an adapter or without
     * @param original [out, in], see {@link ClippedGroups#ofStored}
     */
    public static TrainedLinear ofStored(PackedWeight stored, Tensor original, TorchDevice device) {
        if (!(stored instanceof LowRank adapted)) {
            float[] ideal = TorchDevice.toFloats(original);
            ClippedGroups groups = ClippedGroups.ofStored(stored, original, ideal, device);
            return new TrainedLinear(groups, null, null, Place.BEFORE_ADAPTER);
        }
        TrainedAdapter adapter = TrainedAdapter.ofStored(adapted, device);
        float[] below;
        try (TorchScope scope = new TorchScope()) {
            below = TorchDevice.toFloats(original.sub(adapter.b().mm(adapter.a()), new Scalar(adapter.scaling())));
        }
        ClippedGroups groups = ClippedGroups.ofStored(adapted.base(), original, below, device);
        return new TrainedLinear(groups, adapter, null, Place.BEFORE_ADAPTER);
    }

    /** The leaf, [out, in]. */
    public Tensor effective() {
        return groups.values();
    }

    /** A, B and with DoRA the lengths of rows, or nothing where rank is 0. */
    public List<Tensor> adapterParts() {
        List<Tensor> parts = new ArrayList<>(adapter == null ? List.of() : adapter.parts());
        if (magnitude != null) {
            parts.add(magnitude.lengths());
        }
        return parts;
    }

    /** Overwrites the effective weight with what the parameters now make of it. */
    public void refresh(FakeQuant fakeQuant) {
        fakeQuant.quantize(groups);
        if (adapter != null) {
            try (TorchScope scope = new TorchScope()) {
                adapter.addTo(effective().detach());
                if (magnitude != null) {
                    magnitude.stretch(effective().detach());
                }
            }
        }
    }

    /** Gradients of u, l, the weight where it is trained, and the adapter, in this order, and the preservation term without its lambda. */
    public record Step(List<Tensor> gradients, double preservation) {}

    /**
     * Differentiates the output loss, where the effective weight holds its gradient, and the preservation term.
     *
     * @param preservation saliency and lambda, or null where the term does not count
     */
    public Step gradients(FakeQuant fakeQuant, boolean fitsOutput, FakeQuant.@Nullable Weighting preservation) {
        Tensor gradient = fitsOutput ? effective().grad() : null;
        if (preservation != null && place == Place.AFTER_ADAPTER) {
            Tensor off = effective().detach().sub(groups.original());
            Tensor weighted = off.mul(preservation.saliency());
            Tensor extra = weighted.mul(new Scalar(2 * preservation.lambda()));
            Tensor all = gradient == null ? extra : extra.add(gradient);
            double sum = weighted.mul(off).sum().item_double();
            return new Step(toParameters(all, fakeQuant.differentiate(groups, toSum(all), null)), sum);
        }
        FakeQuant.Gradients clipping = fakeQuant.differentiate(groups, toSum(gradient), preservation);
        return new Step(toParameters(gradient, clipping), clipping.preservation());
    }

    /** The gradient by {@code Q(W) + scaling B A} from that by the effective weight. */
    private @Nullable Tensor toSum(@Nullable Tensor gradient) {
        return gradient == null || magnitude == null ? gradient : magnitude.toSum(gradient);
    }

    private List<Tensor> toParameters(@Nullable Tensor gradient, FakeQuant.Gradients clipping) {
        List<Tensor> gradients = new ArrayList<>(List.of(clipping.upper(), clipping.lower()));
        Tensor weight = clipping.weight();
        if (weight != null) {
            gradients.add(weight);
        }
        if (adapter != null) {
            gradients.addAll(adapter.gradients(toSum(gradient)));
        }
        if (magnitude != null) {
            gradients.add(
                    gradient == null
                            ? torch.zeros_like(magnitude.lengths())
                            : magnitude.toLengths(gradient, effective().detach()));
        }
        return gradients;
    }

    /** The stored form: codes, scales rounded to fp16, and the adapter in fp16. */
    public PackedWeight pack() {
        PackedWeight codes = GroupCodes.stored(groups);
        if (adapter == null) {
            return codes;
        }
        LowRank adapted = adapter.over(codes);
        return magnitude == null ? adapted : magnitude.over(adapted);
    }
}
