package dev.salient.quantizer;

import dev.salient.method.Grid;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.torch.AdamW;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * A linear of additive codebooks whose vectors and scales are trained: {@code values[o, (g, k)] = scale[o] sum_m vector[m, code[o, g, m], k]}.
 *
 * <p>From the gradient G of the values come
 *
 * <pre>
 * of vector c:  sum over the groups (o, g) with its code  scale[o] G[o, (g, .)]
 * of t:         sum over the row  G values,   scale = scale0 exp(t)
 * </pre>
 */
public final class TrainedCodebooks {
    /** Distances that are in memory at once: on a processor as many as a core's cache holds, on a GPU as many as keep it busy. */
    private static final long PIECE = 1 << 18;

    private static final long GPU_PIECE = 1 << 27;

    /** Two vectors are never nearer than this, squared, lest they be reached by nothing. */
    private static final double SMALLEST = 1e-12;

    private final Grid.Codebooks grid;
    private final int out;
    private final int in;
    /** [count, out * groups]; numbers, as a run's state stores them. */
    private final Tensor codes;
    /** [count, entries, size]. */
    private final Tensor vectors;
    /** scale0, [out, 1]. */
    private final Tensor scales;
    /** t, [out, 1]. */
    private final Tensor logs;

    private final Tensor values;

    TrainedCodebooks(AdditiveCodes start, TorchDevice device) {
        grid = start.grid;
        out = start.out;
        in = start.in;
        codes = device.zeros(grid.count(), start.codes.length / grid.count());
        vectors = device.floats(start.vectors, grid.count(), grid.entries(), grid.groupSize());
        scales = device.floats(start.scales, out, 1);
        logs = device.zeros(out, 1);
        values = device.zeros(out, in).requires_grad_(true);
        setCodes(start, device);
    }

    /** A linear as it is stored. */
    public static TrainedCodebooks ofStored(AdditiveCodebook stored, TorchDevice device) {
        Grid.Codebooks grid = new Grid.Codebooks(stored.codebookCount(), stored.bits(), stored.groupSize());
        AdditiveCodes codes = new AdditiveCodes(grid, stored.out(), stored.in());
        for (int row = 0; row < codes.out; row++) {
            codes.scales[row] = stored.scale(row);
            for (int group = 0; group < codes.groups(); group++) {
                for (int m = 0; m < grid.count(); m++) {
                    codes.codes[codes.at(row, group, m)] = stored.code(row, group, m);
                }
            }
        }
        System.arraycopy(stored.codebooks().toFloats(), 0, codes.vectors, 0, codes.vectors.length);
        return new TrainedCodebooks(codes, device);
    }

    /** Takes over the codes alone. */
    void setCodes(AdditiveCodes from, TorchDevice device) {
        int count = grid.count();
        int[] byCodebook = new int[from.codes.length];
        for (int i = 0; i < byCodebook.length; i++) {
            byCodebook[i % count * (byCodebook.length / count) + i / count] = from.codes[i];
        }
        try (TorchScope scope = new TorchScope()) {
            codes.copy_(device.longs(byCodebook, count, byCodebook.length / count)); // exact: 16 bits at most
        }
        refresh();
    }

    /** Hands out what was trained. */
    void copyTo(AdditiveCodes into) {
        int count = grid.count();
        float[] byCodebook = TorchDevice.toFloats(codes);
        for (int i = 0; i < byCodebook.length; i++) {
            into.codes[i % (byCodebook.length / count) * count + i / (byCodebook.length / count)] = (int) byCodebook[i];
        }
        System.arraycopy(TorchDevice.toFloats(vectors), 0, into.vectors, 0, into.vectors.length);
        try (TorchScope scope = new TorchScope()) {
            System.arraycopy(TorchDevice.toFloats(present()), 0, into.scales, 0, into.scales.length);
        }
    }

    /** What the linear multiplies with, [out, in]: a leaf. */
    public Tensor values() {
        return values;
    }

    /** Vectors and t. */
    public List<Tensor> parts() {
        return List.of(vectors, logs);
    }

    /** [count, out * groups]; overwritten by who moves them, who then asks for {@link #refresh}. */
    public Tensor codes() {
        return codes;
    }

    private Tensor present() {
        return scales.mul(logs.exp());
    }

    /** The scale of each group's row, [out * groups, 1]. */
    public Tensor groupScales() {
        return present().expand(out, in / grid.groupSize()).reshape(-1, 1);
    }

    /**
     * What codes stand for, without the scale: [n, size].
     *
     * @param which codes, [count, n]
     */
    public Tensor sums(Tensor which) {
        Tensor index = which.to(torch.ScalarType.Long);
        Tensor sum = vectors.select(0, 0).index_select(0, index.select(0, 0));
        for (int m = 1; m < grid.count(); m++) {
            sum.add_(vectors.select(0, m).index_select(0, index.select(0, m)));
        }
        return sum;
    }

    /**
     * Codes that stand for these numbers more nearly, or as nearly: one codebook after the other gets its best vector while the others
     * stay, twice.
     *
     * @param wanted without the scale, [n, size]
     * @param present codes to start from, [count, n]
     * @return [count, n]
     */
    public Tensor nearer(Tensor wanted, Tensor present) {
        Tensor nearer = present.clone();
        List<Tensor> lengths = squaredLengths();
        int turns = grid.count() == 1 ? 1 : 2;
        long piece = piece();
        for (long from = 0; from < wanted.size(0); from += piece) {
            long length = Math.min(piece, wanted.size(0) - from);
            try (TorchScope scope = new TorchScope()) {
                Tensor own = nearer.narrow(1, from, length);
                for (int m = 0; m < turns * grid.count(); m++) {
                    int book = m % grid.count();
                    moveOne(book, lengths.get(book), wanted.narrow(0, from, length), own);
                }
            }
        }
        return nearer;
    }

    /** Of each codebook's vectors, [entries]. */
    private List<Tensor> squaredLengths() {
        List<Tensor> lengths = new ArrayList<>();
        for (int m = 0; m < grid.count(); m++) {
            lengths.add(squaredLengths(vectors.select(0, m)));
        }
        return lengths;
    }

    private static Tensor squaredLengths(Tensor book) {
        return book.square().sum(new long[] {1}, false, new ScalarTypeOptional());
    }

    private void moveOne(int m, Tensor lengths, Tensor wanted, Tensor own) {
        Tensor index = own.select(0, m).to(torch.ScalarType.Long);
        Tensor book = vectors.select(0, m);
        Tensor rest = wanted.sub(sums(own)).add_(book.index_select(0, index));
        // ||rest - c||^2 less what all c have in common; the present one where another is no nearer
        Tensor distances = rest.mm(book.t()).mul_(new Scalar(-2.0)).add_(lengths);
        T_TensorTensor_T least = torch.min(distances, 1, false);
        Tensor there = least.get0();
        Tensor best = least.get1();
        Tensor here = distances.gather(1, index.view(-1, 1)).view(-1);
        Tensor moves = there.lt(here).to(torch.ScalarType.Float);
        own.select(0, m).add_(best.sub(index).to(torch.ScalarType.Float).mul_(moves));
    }

    private long piece() {
        return Math.max(1, (vectors.is_cuda() ? GPU_PIECE : PIECE) / grid.entries());
    }

    /**
     * Stochastic rounding in one codebook: each group's vector c goes to the vector n for which {@code p = <u, n - c> / ||n - c||^2} is
     * largest, if the draw is below p.
     *
     * @param u where to, without the scale, [groups, size]
     * @param draws uniform in [0, 1), [groups]
     */
    public void moveByChance(int m, Tensor u, Tensor draws) {
        Tensor book = vectors.select(0, m);
        Tensor lengths = squaredLengths(book);
        long piece = piece();
        for (long from = 0; from < u.size(0); from += piece) {
            long length = Math.min(piece, u.size(0) - from);
            try (TorchScope scope = new TorchScope()) {
                Tensor own = codes.select(0, m).narrow(0, from, length);
                Tensor index = own.to(torch.ScalarType.Long);
                Tensor present = book.index_select(0, index);
                Tensor along = u.narrow(0, from, length).mm(book.t());
                along.sub_(along.gather(1, index.view(-1, 1)));
                Tensor apart = present.mm(book.t()).mul_(new Scalar(-2.0)).add_(lengths);
                apart.add_(lengths.index_select(0, index).view(-1, 1));
                along.scatter_(1, index.view(-1, 1), new Scalar(0.0)); // to stay is no way
                T_TensorTensor_T most = torch.max(along.div_(apart.clamp_min_(new Scalar(SMALLEST))), 1, false);
                Tensor moves = draws.narrow(0, from, length).lt(most.get0()).to(torch.ScalarType.Float);
                own.add_(most.get1().sub(index).to(torch.ScalarType.Float).mul_(moves));
            }
        }
    }

    /** Overwrites the values with what the parts now make of them. */
    public void refresh() {
        try (TorchScope scope = new TorchScope()) {
            values.detach().copy_(sums(codes).view(out, in).mul_(present()));
        }
    }

    /** Puts vectors and t under an optimizer's care, in these groups. */
    public void addTo(AdamW optimizer, int vectorGroup, int scaleGroup) {
        optimizer.add(vectors, vectorGroup);
        optimizer.add(logs, scaleGroup);
    }

    /**
     * Gradients of vectors and t.
     *
     * @param byValues [out, in]
     */
    public List<Tensor> gradients(Tensor byValues) {
        List<Tensor> gradients = new ArrayList<>();
        Tensor inGroups = byValues.mul(present()).view(-1, grid.groupSize());
        Tensor byVectors = torch.empty_like(vectors);
        for (int m = 0; m < grid.count(); m++) {
            Tensor own = torch.embedding_dense_backward(
                    inGroups, codes.select(0, m).to(torch.ScalarType.Long), grid.entries(), -1, false);
            byVectors.select(0, m).copy_(own);
        }
        gradients.add(byVectors);
        gradients.add(byValues.mul(values.detach()).sum(new long[] {1}, true, new ScalarTypeOptional()));
        return gradients;
    }

    /** The stored form: codes, and codebooks and scales rounded to fp16. */
    public AdditiveCodebook pack() {
        AdditiveCodes packed = new AdditiveCodes(grid, out, in);
        copyTo(packed);
        return packed.pack();
    }
}
