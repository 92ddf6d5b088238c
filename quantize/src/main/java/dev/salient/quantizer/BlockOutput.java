package dev.salient.quantizer;

import dev.salient.calibration.Stream;
import dev.salient.method.Terms;
import dev.salient.method.TokenWeighting;
import dev.salient.torch.TorchBlock.Linears;
import dev.salient.torch.TorchScope;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * {@code sum_t w1_t ||y_t - block(h)_t||^2 + w2_t ||y_t - block(g)_t||^2}, {@code y = qblock(g)} (ApiQ, section 4.2), with what {@link Terms} mix in:
 * {@link SlicedWasserstein} between y and block(h), {@link AttentionDivergence} between qblock and block on g.
 *
 * <p>h is the original model's input of the block, g the quantized model's.
 */
final class BlockOutput implements OutputLoss {
    /** Lines on which outputs are compared by their distribution; the literature takes 16 to 1024. */
    private static final int DIRECTIONS = 128;

    private final BlockTask task;
    private final Linears linears;
    private final List<Tensor> weights1;
    private final List<Tensor> weights2;
    private final Tensor directions;
    private double wassersteinFactor;
    private double attentionFactor;

    /**
     * Of a task whose clean stream is overwritten with what the original block makes of it, and whose scratch with what that makes
     * of the degraded stream.
     *
     * @param linears of the quantized block
     */
    BlockOutput(BlockTask task, TokenWeighting weighting, Linears linears) {
        this.task = task;
        this.linears = linears;
        Stream.advance(task.clean(), task.clean(), task.rope(), task.device(), task.original());
        Stream.advance(task.degraded(), task.scratch(), task.rope(), task.device(), task.original());
        this.weights1 =
                TokenWeights.all(task.clean(), weighting, task.original().block(), task.device());
        this.weights2 =
                TokenWeights.all(task.scratch(), weighting, task.original().block(), task.device());
        int channels = task.original().block().config().hiddenSize();
        SplittableRandom random = new SplittableRandom(task.seed());
        this.directions = SlicedWasserstein.directions(channels, DIRECTIONS, random, task.device());
    }

    @Override
    public Tensor of(int sample, Terms terms) {
        Tensor y = forward(sample);
        Tensor squared = squared(sample, y);
        if (terms.equals(Terms.NONE)) {
            return squared;
        }
        Tensor sum = squared.mul(new Scalar(terms.squared()));
        if (terms.slicedWasserstein() > 0) {
            wassersteinFactor = wassersteinFactor == 0 ? factor(this::slicedWasserstein) : wassersteinFactor;
            double weight = terms.slicedWasserstein() * wassersteinFactor;
            sum = sum.add(slicedWasserstein(sample, y).mul(new Scalar(weight)));
        }
        if (terms.attention() > 0) {
            attentionFactor = attentionFactor == 0 ? factor(this::attention) : attentionFactor;
            sum = sum.add(attention(sample, y).mul(new Scalar(terms.attention() * attentionFactor)));
        }
        return sum;
    }

    private Tensor forward(int sample) {
        Tensor x = task.degraded().get(sample, task.device());
        return task.original().block().forward(x, task.rope(), linears);
    }

    private Tensor squared(int sample, Tensor y) {
        Tensor clean = y.sub(task.clean().get(sample, task.device())).square();
        Tensor degraded = y.sub(task.scratch().get(sample, task.device())).square();
        return clean.mul(weights1.get(sample))
                .add(degraded.mul(weights2.get(sample)))
                .sum();
    }

    private Tensor slicedWasserstein(int sample, Tensor y) {
        return SlicedWasserstein.between(counted(y), counted(task.clean().get(sample, task.device())), directions);
    }

    /** All tokens but those that have no weight. */
    private Tensor counted(Tensor y) {
        int skipped = task.original().block().intactTokens();
        return y.narrow(1, skipped, y.size(1) - skipped);
    }

    /** Of both maps on the quantized model's input; y is of no account. */
    private Tensor attention(int sample, Tensor y) {
        Tensor x = task.degraded().get(sample, task.device());
        Tensor original = task.original()
                .block()
                .attentionScores(
                        x,
                        task.rope(),
                        (linear, input) -> torch.linear(input, task.original().weight(linear)));
        Tensor own = task.original().block().attentionScores(x, task.rope(), linears);
        int skipped = task.original().block().intactTokens();
        long queries = x.size(1) - skipped;
        return AttentionDivergence.of(original.narrow(2, skipped, queries), own.narrow(2, skipped, queries));
    }

    private interface Term {
        Tensor of(int sample, Tensor y);
    }

    /** What makes a term as large, over all samples, as the squared differences are now. */
    private double factor(Term term) {
        double squared = 0;
        double other = 0;
        for (int sample = 0; sample < task.degraded().samples(); sample++) {
            try (TorchScope scope = new TorchScope()) {
                Tensor y = forward(sample);
                squared += squared(sample, y).item_double();
                other += term.of(sample, y).item_double();
            }
        }
        return other == 0 ? 1 : squared / other;
    }
}
