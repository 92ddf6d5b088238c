package dev.salient.quantizer;

import dev.salient.fakequant.FakeQuant.Weighting;
import dev.salient.packed.PackedWeight;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/** A linear of a block while {@link StagedTraining} trains it. */
sealed interface InTraining permits GroupsInTraining, MixtureInTraining {
    /** What a number in training is, which decides its rate and decay. */
    enum Role {
        CLIPPING,
        ADAPTER,
        WEIGHT,
        /** Of a mixture: at the clipping's rate, and without decay, which would shrink what the linear computes. */
        SCALE
    }

    /** A tensor that training changes. */
    record Parameter(Tensor value, Role role) {}

    /** What the linear computes at present, [..., in] to [..., out]; can be differentiated. */
    Tensor apply(Tensor x);

    /** All that training changes. */
    List<Parameter> parameters();

    /**
     * Differentiates the output loss, which has been sent backwards, and the preservation term.
     *
     * @param preservation saliency and lambda, or null where the term does not count
     * @return in the order of {@link #parameters}
     */
    TrainedLinear.Step gradients(boolean fitsOutput, @Nullable Weighting preservation);

    /** Takes up what the parameters now are, and forgets all gradients. */
    void refresh();

    /** The stored form. */
    PackedWeight pack();
}
