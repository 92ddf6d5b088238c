package dev.salient.quantizer;

import dev.salient.fakequant.FakeQuant;
import dev.salient.packed.PackedWeight;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** A linear whose weight is rounded in groups, which has values: {@code x -> x W_eff^T}. */
record GroupsInTraining(TrainedLinear linear, FakeQuant fakeQuant) implements InTraining {
    @Override
    public Tensor apply(Tensor x) {
        return torch.linear(x, linear.effective());
    }

    @Override
    public List<Parameter> parameters() {
        List<Parameter> parameters = new ArrayList<>();
        parameters.add(new Parameter(linear.groups().upper(), Role.CLIPPING));
        parameters.add(new Parameter(linear.groups().lower(), Role.CLIPPING));
        if (linear.groups().trainsWeight()) {
            parameters.add(new Parameter(linear.groups().latent(), Role.WEIGHT));
        }
        linear.adapterParts().forEach(part -> parameters.add(new Parameter(part, Role.ADAPTER)));
        return parameters;
    }

    @Override
    public TrainedLinear.Step gradients(boolean fitsOutput, FakeQuant.@Nullable Weighting preservation) {
        return linear.gradients(fakeQuant, fitsOutput, preservation);
    }

    @Override
    public void refresh() {
        linear.effective().mutable_grad().reset();
        linear.refresh(fakeQuant);
    }

    @Override
    public PackedWeight pack() {
        return linear.pack();
    }
}
