package dev.salient.format;

import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelWeights;
import dev.salient.model.Norm;
import dev.salient.packed.Dense;
import dev.salient.packed.GroupFormat;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.Rounding;
import dev.salient.packed.ScaledGroups;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Compares every weight of a model that was written with the one it was made from: each is the same value, or the nearest
 * that its type in the file can hold.
 */
public final class Verification {
    private final Path file;
    private final WeightError error = new WeightError();
    private int equal;
    private int matrices;

    private Verification(Path file) {
        this.file = file;
    }

    /**
     * What came out.
     *
     * @param matrices how many there are
     * @param equal those of them whose every weight is the same
     */
    public record Result(int matrices, int equal, WeightError error) {}

    /**
     * Compares.
     *
     * @param file what was written, for messages
     * @param want the source; adapters that were folded in are still adapters here
     * @param got what was read back
     * @throws MismatchException at the first weight that is neither the same nor the nearest
     */
    public static Result compare(Path file, ModelWeights want, ModelWeights got) throws MismatchException {
        Verification verification = new Verification(file);
        verification.compare(want, got);
        return new Result(verification.matrices, verification.equal, verification.error);
    }

    /** The same model without its adapters. */
    public static ModelWeights withoutAdapters(ModelWeights weights) {
        List<BlockWeights> blocks = new ArrayList<>();
        for (BlockWeights block : weights.blocks()) {
            Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
            for (Linear linear : Linear.values()) {
                PackedWeight weight = block.linear(linear);
                linears.put(linear, weight instanceof LowRank adapted ? adapted.base() : weight);
            }
            blocks.add(block.withLinears(linears));
        }
        return new ModelWeights(weights.config(), weights.embedding(), blocks, weights.finalNorm(), weights.head());
    }

    private void compare(ModelWeights want, ModelWeights got) throws MismatchException {
        if (want.blocks().size() != got.blocks().size()) {
            throw new MismatchException(
                    "%s: read back %d blocks, want %d",
                    file, got.blocks().size(), want.blocks().size());
        }
        compare("embedding", want.embedding(), got.embedding());
        for (int b = 0; b < want.blocks().size(); b++) {
            BlockWeights block = want.blocks().get(b);
            BlockWeights read = got.blocks().get(b);
            for (Norm norm : block.norms().keySet()) {
                compare(b + "." + norm.label() + " norm", row(block.norm(norm)), row(read.norm(norm)));
            }
            for (Linear linear : Linear.values()) {
                String name = new LinearId(b, linear).toString();
                compare(name, block.linear(linear), read.linear(linear));
                Tensor bias = block.findBias(linear);
                Tensor readBias = read.findBias(linear);
                if (bias != null && readBias != null) {
                    compare(name + " bias", row(bias), row(readBias));
                }
            }
        }
        compare("final norm", row(want.finalNorm()), row(got.finalNorm()));
        if (!want.config().tiedEmbeddings()) {
            compare("head", want.head(), got.head());
        }
    }

    private static Dense row(Tensor vector) {
        return new Dense(
                new Tensor(vector.dtype(), Shape.of(1, (int) vector.shape().elementCount()), vector.data()));
    }

    private void compare(String what, PackedWeight want, PackedWeight got) throws MismatchException {
        if (want.out() != got.out() || want.in() != got.in()) {
            throw new MismatchException(
                    "%s: %s: read back [%d, %d], want [%d, %d]",
                    file, what, got.out(), got.in(), want.out(), want.in());
        }
        if (want instanceof LowRank adapted && got instanceof LowRank read) {
            compareAdapters(what, adapted, read);
        } else {
            compareRows(what, want, got);
        }
    }

    private void compareAdapters(String what, LowRank want, LowRank got) throws MismatchException {
        compare(what, want.base(), got.base());
        compare(what + " adapter a", new Dense(want.a()), new Dense(got.a()));
        compare(what + " adapter b", new Dense(want.b()), new Dense(got.b()));
        if ((want.magnitude() == null) != (got.magnitude() == null)) {
            throw new MismatchException("%s: %s adapter: magnitudes were lost, or made up", file, what);
        }
        if (want.magnitude() != null && got.magnitude() != null) {
            compare(what + " adapter magnitude", column(want.magnitude()), column(got.magnitude()));
        }
        if (want.scaling() != got.scaling()) {
            throw new MismatchException(
                    "%s: %s adapter: read back a scaling of %s, want %s", file, what, got.scaling(), want.scaling());
        }
    }

    private static Dense column(Tensor vector) {
        return new Dense(new Tensor(vector.dtype(), Shape.of(vector.shape().dimension(0), 1), vector.data()));
    }

    private void compareRows(String what, PackedWeight want, PackedWeight got) throws MismatchException {
        WeightError own = new WeightError();
        float[] wanted = new float[want.in()];
        float[] read = new float[want.in()];
        for (int row = 0; row < want.out(); row++) {
            want.decodeRow(row, wanted, 0);
            got.decodeRow(row, read, 0);
            float[] nearest = nearest(got, wanted);
            for (int i = 0; i < read.length; i++) {
                if (read[i] != wanted[i] && read[i] != nearest[i]) {
                    throw new MismatchException(
                            "%s: %s: read back %s at [%d, %d], want %s", file, what, read[i], row, i, nearest[i]);
                }
                own.add(wanted[i], read[i]);
            }
        }
        matrices++;
        equal += own.isNone() ? 1 : 0;
        error.add(own);
    }

    /** A row rounded to the form in which a weight is stored; the row itself where nothing is ever rounded to that form. */
    private static float[] nearest(PackedWeight form, float[] row) {
        float[] nearest = row.clone();
        if (form instanceof Dense dense) {
            DType dtype = dense.values().dtype();
            MemorySegment number = MemorySegment.ofArray(new byte[dtype.byteCount()]);
            for (int i = 0; i < row.length; i++) {
                dtype.set(number, 0, row[i]);
                nearest[i] = dtype.get(number, 0);
            }
        } else if (form instanceof ScaledGroups groups
                && (groups.format() == GroupFormat.Q8_0 || groups.format() == GroupFormat.Q4_0)) {
            Rounding.of(Dense.ofFloats(1, row.length, row), groups.format()).decodeRow(0, nearest, 0);
        }
        return nearest;
    }
}
