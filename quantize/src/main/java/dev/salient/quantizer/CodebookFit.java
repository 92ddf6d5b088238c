package dev.salient.quantizer;

import dev.salient.method.Cosine;
import dev.salient.method.Method;
import dev.salient.torch.AdamW;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * AQLM of one linear (arXiv 2401.06118, sections 3.1 to 3.3): codes by {@link BeamSearch}, codebooks and scales by Adam, in turn, on
 *
 * <pre>
 * tr(E H E^T) / tr(W H W^T),   E = what codes and codebooks stand for - W,   H = X^T X + damping mean(diag X^T X) I
 * </pre>
 *
 * <p>It ends when a turn gains less than {@value #LEAST_GAIN} of the error, or after {@value #TURNS}. Differs from the reference in: H is
 * damped as GPTQ's; Adam takes {@value #STEPS} steps a turn at a rate that follows a cosine to zero.
 */
final class CodebookFit {
    private static final int TURNS = 3;
    private static final int STEPS = 20;
    private static final double RATE = 0.01;
    private static final double LEAST_GAIN = 0.01;
    private static final double DAMPING = 0.01;

    private final Tensor weight;
    /** H, divided by the mean of its diagonal. */
    private final Tensor h;

    private final double size;
    private final TorchDevice device;

    private CodebookFit(Tensor weight, Tensor gram, TorchDevice device) {
        this.weight = weight;
        this.device = device;
        Tensor mean = gram.diagonal().mean().clamp_min(new Scalar(Double.MIN_NORMAL));
        Tensor damping = torch.ones_like(gram.diagonal()).mul_(new Scalar(DAMPING));
        h = gram.div(mean).add_(torch.diag(damping)).to(torch.ScalarType.Float);
        double all = weight.mul(weight.mm(h)).sum().item_double();
        size = all == 0 ? 1 : all;
    }

    /**
     * A linear of codebooks near this one.
     *
     * @param weight [out, in]
     * @param gram X^T X of its inputs, [in, in], in double
     */
    static TrainedCodebooks fit(
            Tensor weight, Tensor gram, Method.Aqlm method, TorchDevice device, SplittableRandom random) {
        CodebookFit fit = new CodebookFit(weight, gram, device);
        float[] energies = TorchDevice.toFloats(fit.h.diagonal());
        AdditiveCodes codes = ResidualKMeans.start(TorchDevice.toFloats(weight), energies, method.grid(), random);
        TrainedCodebooks trained = new TrainedCodebooks(codes, device);
        double error = fit.error(trained);
        for (int turn = 0; turn < TURNS; turn++) {
            fit.search(codes, trained, method.beam());
            fit.train(trained);
            double now = fit.error(trained);
            if (now > error * (1 - LEAST_GAIN)) {
                break;
            }
            error = now;
        }
        return trained;
    }

    private void search(AdditiveCodes codes, TrainedCodebooks trained, int beam) {
        trained.copyTo(codes);
        float[] pull;
        try (TorchScope scope = new TorchScope()) {
            pull = TorchDevice.toFloats(trained.values().detach().sub(weight).mm(h));
        }
        BeamSearch.improve(codes, TorchDevice.toFloats(h), pull, beam);
        trained.setCodes(codes, device);
    }

    private void train(TrainedCodebooks trained) {
        try (AdamW optimizer = AdamW.standard()) {
            trained.addTo(optimizer, 0, 0);
            for (int step = 0; step < STEPS; step++) {
                try (TorchScope scope = new TorchScope()) {
                    Tensor byValues =
                            trained.values().detach().sub(weight).mm(h).mul_(new Scalar(2 / size));
                    List<Tensor> gradients = trained.gradients(byValues);
                    optimizer.step(gradients, new AdamW.Group(RATE * Cosine.factor(step, STEPS), 0));
                    trained.refresh();
                }
            }
        }
    }

    private double error(TrainedCodebooks trained) {
        try (TorchScope scope = new TorchScope()) {
            Tensor off = trained.values().detach().sub(weight);
            return off.mul(off.mm(h)).sum().item_double() / size;
        }
    }
}
