package dev.salient.tune;

import dev.salient.calibration.Activations;
import dev.salient.model.ModelConfig;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchBlock;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * The mean of {@code KL(original || tuned)} over the next-token distributions of whole windows, and its gradients.
 *
 * <p>The gradient by the logits of a token is {@code (p_tuned -
 * p_original) / tokens}; from there it goes backwards block by block, each computed again from its inputs unless memory
 * allows to keep its graph.
 */
final class Distillation {

    private final TorchLanguageModel original;
    private final TorchLanguageModel tuned;
    private final List<int[]> windows;
    private final Rope rope;
    private final TorchDevice device;
    private final Tuner.Room room;
    private final Activations wanted;
    private final BitSet known = new BitSet();

    /**
     * For these windows.
     *
     * @param tuned its blocks' weights are leaves; embedding, final norm and head may be
     * @param windows token ids, all of one length
     * @param wanted room for the original's last hidden states, one sample a window; filled as they are first needed
     */
    Distillation(
            TorchLanguageModel original,
            TorchLanguageModel tuned,
            List<int[]> windows,
            Activations wanted,
            Tuner.Room room,
            TorchDevice device) {
        this.original = original;
        this.tuned = tuned;
        this.windows = List.copyOf(windows);
        this.wanted = wanted;
        this.room = room;
        this.device = device;
        this.rope = Rope.of(original.config(), windows.getFirst().length, device);
    }

    /**
     * The mean KL divergence of a model over these windows, nats a token.
     *
     * @param ends its embedding, final norm and head
     * @param blockAt its blocks; each is asked for once, within a scope that frees it
     */
    double loss(List<Integer> batch, TorchLanguageModel ends, IntFunction<TorchLanguageModel.Block> blockAt) {
        try (TorchScope scope = new TorchScope()) {
            List<List<Integer>> pieces = pieces(batch);
            Tensor[] states = new Tensor[pieces.size()];
            for (int w = 0; w < states.length; w++) {
                states[w] = ends.embed(ids(pieces.get(w))).detach();
            }
            for (int index = 0; index < tuned.blocks().size(); index++) {
                try (TorchScope outer = new TorchScope()) {
                    TorchLanguageModel.Block block = blockAt.apply(index);
                    for (int w = 0; w < states.length; w++) {
                        try (TorchScope inner = new TorchScope()) {
                            states[w].copy_(block.forward(states[w], rope).detach());
                        }
                    }
                }
            }
            double sum = 0;
            for (int w = 0; w < states.length; w++) {
                try (TorchScope inner = new TorchScope()) {
                    sum += compare(wanted(pieces.get(w)), normed(states[w], ends), ends.head(), null, null);
                }
            }
            return sum / (batch.size() * (double) wanted.tokens());
        }
    }

    /**
     * The mean KL divergence over these windows; every leaf collects its gradient.
     *
     * @param onBlock told when a block's gradients are whole: last block first; it may move the block's leaves then
     */
    double differentiate(List<Integer> batch, IntConsumer onBlock) {
        try (TorchScope scope = new TorchScope()) {
            List<List<Integer>> pieces = pieces(batch);
            Passed[][] passed = new Passed[tuned.blocks().size()][pieces.size()];
            Tensor[] gradients = new Tensor[pieces.size()];
            Tensor byHead =
                    tuned.head().requires_grad() ? torch.zeros_like(tuned.head().detach()) : null;
            double tokens = batch.size() * (double) wanted.tokens();
            double sum = 0;
            for (int w = 0; w < pieces.size(); w++) {
                Tensor last = forward(pieces.get(w), passed, w);
                Tensor states = last.detach().requires_grad_(true);
                Tensor normed = normed(states, tuned);
                Tensor byNormed = torch.empty_like(normed.detach());
                sum += compare(wanted(pieces.get(w)), normed, tuned.head().detach(), byNormed, byHead);
                normed.mul(byNormed.mul_(new Scalar(1 / tokens))).sum().backward();
                gradients[w] = states.grad().detach();
            }
            if (byHead != null) {
                tuned.head().mul(byHead.mul_(new Scalar(1 / tokens))).sum().backward(); // its gradient is byHead
            }
            for (int block = tuned.blocks().size() - 1; block >= 0; block--) {
                for (int w = 0; w < pieces.size(); w++) {
                    Tensor above = gradients[w];
                    gradients[w] = backward(block, passed[block][w], above);
                    above.close(); // what is done with is freed now, not at the step's end
                    passed[block][w].input.close();
                }
                onBlock.accept(block);
            }
            if (tuned.embedding().requires_grad()) {
                for (int w = 0; w < pieces.size(); w++) {
                    tuned.embed(ids(pieces.get(w))).mul(gradients[w]).sum().backward();
                }
            }
            return sum / tokens;
        }
    }

    /**
     * What a block was given, and what it made of it.
     *
     * @param output with its graph, or null where it is to be computed again
     */
    private record Passed(Tensor input, @Nullable Tensor output) {}

    private Tensor forward(List<Integer> piece, Passed[][] passed, int w) {
        Tensor states = tuned.embed(ids(piece)).detach();
        int kept = room.graphs() / (passed[0].length * piece.size());
        for (int block = 0; block < tuned.blocks().size(); block++) {
            Tensor input = states.detach();
            input.requires_grad_(true);
            try (TorchScope inner = new TorchScope()) {
                Tensor output = tuned.blocks().get(block).forward(input, rope);
                boolean keeps = tuned.blocks().size() - block <= kept;
                states = inner.keep(keeps ? output : output.detach());
                passed[block][w] = new Passed(input, keeps ? states : null);
            }
        }
        return states;
    }

    /** The gradient by a block's input, from that by its output. */
    private Tensor backward(int block, Passed passed, Tensor gradient) {
        try (TorchScope inner = new TorchScope()) {
            Tensor output =
                    passed.output == null ? tuned.blocks().get(block).forward(passed.input, rope) : passed.output;
            // the scalar whose gradient by the output is the one that came from above
            output.mul(gradient).sum().backward();
            Tensor below = inner.keep(passed.input.grad().detach()); // of its own: the input is closed before it
            if (passed.output != null) {
                passed.output.close(); // its graph goes with it
            }
            return below;
        }
    }

    /** A batch in pieces of as many windows as are computed at once. */
    private List<List<Integer>> pieces(List<Integer> batch) {
        List<List<Integer>> pieces = new ArrayList<>();
        for (int from = 0; from < batch.size(); from += room.windows()) {
            pieces.add(batch.subList(from, Math.min(from + room.windows(), batch.size())));
        }
        return pieces;
    }

    /** [windows, tokens]. */
    private Tensor ids(List<Integer> piece) {
        int[] ids = piece.stream()
                .flatMapToInt(sample -> IntStream.of(windows.get(sample)))
                .toArray();
        return device.longs(ids, piece.size(), wanted.tokens());
    }

    private static Tensor normed(Tensor states, TorchLanguageModel ends) {
        ModelConfig config = ends.config();
        return TorchBlock.norm(states, ends.finalNorm(), config.normEpsilon()).view(-1, config.hiddenSize());
    }

    /** The original's last hidden states after the final norm, [windows * tokens, hidden]. */
    private Tensor wanted(List<Integer> piece) {
        TensorVector states = new TensorVector();
        for (int sample : piece) {
            if (!known.get(sample)) {
                try (TorchScope scope = new TorchScope()) {
                    wanted.set(sample, original.states(ids(List.of(sample)), rope));
                }
                known.set(sample);
            }
            states.push_back(wanted.get(sample, device));
        }
        return normed(torch.cat(states, 0), original);
    }

    /**
     * The sum of the divergences.
     *
     * @param want the original's normed states, [rows, hidden]
     * @param got the tuned model's
     * @param head the tuned model's
     * @param gradient takes that of the sum by {@code got}, or null
     * @param byHead is added that by {@code head}, or null
     */
    private double compare(Tensor want, Tensor got, Tensor head, @Nullable Tensor gradient, @Nullable Tensor byHead) {
        double sum = 0;
        for (long from = 0; from < want.size(0); from += room.rows()) {
            long rows = Math.min(room.rows(), want.size(0) - from);
            try (TorchScope scope = new TorchScope()) {
                ModelConfig config = original.config();
                Tensor p = TorchLanguageModel.logits(want.narrow(0, from, rows), original.head(), config)
                        .log_softmax(-1);
                Tensor own = got.detach().narrow(0, from, rows);
                Tensor logits = TorchLanguageModel.logits(own, head, config);
                Tensor q = logits.log_softmax(-1);
                Tensor share = p.exp();
                sum += p.sub_(q).mul_(share).sum().item_double();
                if (gradient != null) {
                    Tensor byLogits = q.exp_().sub_(share);
                    double cap = config.traits().logitCap();
                    if (cap != 0) { // the derivative of cap tanh(x / cap) is 1 - tanh(x / cap)^2
                        byLogits.sub_(byLogits.mul(logits.div_(new Scalar(cap)).square_()));
                    }
                    gradient.narrow(0, from, rows).copy_(byLogits.mm(head));
                    if (byHead != null) {
                        byHead.addmm_(byLogits.t(), own);
                    }
                }
            }
        }
        return sum;
    }
}
