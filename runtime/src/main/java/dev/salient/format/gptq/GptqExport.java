package dev.salient.format.gptq;

import com.google.errorprone.annotations.FormatMethod;
import dev.salient.format.Checkpoint;
import dev.salient.format.WeightError;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelWeights;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.Reordered;
import dev.salient.packed.ScaleMixture;
import dev.salient.packed.ScaledGroups;
import dev.salient.packed.SuperBlocks;
import dev.salient.tensor.DType;
import dev.salient.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.IntConsumer;

/**
 * A quantized model as a GPTQ-format folder with the same values: codes repacked, nothing rounded but embeddings that were in groups.
 *
 * <pre>{@code
 * GptqExport.of(checkpoint, ZeroPoints.AUTO, DType.F16).write(folder, "Repacked.", block -> {});
 * }</pre>
 */
public final class GptqExport {
    private static final String ALTERNATIVES = "; --to hf and --to gguf hold its values";

    private final Checkpoint checkpoint;
    private final FolderForm form;
    private boolean anyPacked;

    private GptqExport(Checkpoint checkpoint, FolderForm form) {
        this.checkpoint = checkpoint;
        this.form = form;
    }

    /**
     * Checks that every linear can be written exactly.
     *
     * @param plain the type of embeddings and head where they are in groups; those that are plain stay as they are
     * @throws IllegalArgumentException with the first linear that can't, and what can hold it
     */
    public static GptqExport of(Checkpoint checkpoint, ZeroPoints zeroPoints, DType plain) {
        checkpoint.requireExportable(
                "gptq", "want codes with a scale, as GPTQ stores them: those of --grid binary or signed2");
        GptqExport export = new GptqExport(checkpoint, new FolderForm(zeroPoints, plain));
        ModelWeights weights = checkpoint.weights();
        for (int b = 0; b < weights.blocks().size(); b++) {
            for (Linear linear : Linear.values()) {
                export.check(
                        new LinearId(b, linear).toString(),
                        weights.blocks().get(b).linear(linear));
            }
        }
        if (!export.anyPacked) {
            throw refused(
                    "%s: got no quantized linear, want a quantized model; --to hf writes plain numbers",
                    checkpoint.source());
        }
        return export;
    }

    @FormatMethod
    private static IllegalArgumentException refused(String format, Object... values) {
        return new IllegalArgumentException(format.formatted(values));
    }

    private void check(String place, PackedWeight weight) {
        switch (weight) {
            case Dense dense -> {} // stays as it is
            case GroupAffine affine -> {
                check(place, affine.out(), affine.in(), affine.bits());
                checkZeros(place, affine);
            }
            case ScaledGroups groups -> {
                AffineGroups grid = AffineGroups.find(groups.format());
                if (grid == null) {
                    throw refused(
                            "%s: got %s, whose minima are no whole zero points, want a grid of scale and zero point%s",
                            place, groups.format(), ALTERNATIVES);
                }
                check(place, groups.out(), groups.in(), grid.bits());
            }
            case SuperBlocks blocks ->
                throw refused(
                        "%s: got %s, whose scales are in blocks, want a grid of scale and zero point%s",
                        place, blocks.format(), ALTERNATIVES);
            case AdditiveCodebook codebooks -> throw Payloads.codebooks(place);
            case ScaleMixture mixture -> throw new IllegalStateException(place);
            case Reordered reordered -> check(place, reordered.base());
            case LowRank adapted -> {
                checkHalf(place + " adapter a", adapted.a());
                checkHalf(place + " adapter b", adapted.b());
                if (adapted.magnitude() != null) {
                    checkHalf(place + " adapter magnitude", adapted.magnitude());
                }
                check(place, adapted.base());
            }
        }
    }

    private void check(String place, int out, int in, int bits) {
        anyPacked = true;
        if (!GptqPacking.fits(out, in, bits)) {
            throw refused(
                    "%s: got [%d, %d] in %d bits, want rows and columns that fill whole 32-bit words%s",
                    place, out, in, bits, ALTERNATIVES);
        }
    }

    private void checkZeros(String place, GroupAffine weight) {
        for (int row = 0; form.zeroPoints() == ZeroPoints.GPTQ && row < weight.out(); row++) {
            for (int g = 0; g < weight.groupsPerRow(); g++) {
                if (GptqPacking.storedZero(weight, row, g) == 0) {
                    throw refused(
                            "%s: got zero point 0 at [%d, %d], which can't be stored less 1; want --zero-points gptq_v2",
                            place, row, g);
                }
            }
        }
    }

    private static void checkHalf(String place, Tensor matrix) {
        for (long i = 0; matrix.dtype() != DType.F16 && i < matrix.shape().elementCount(); i++) {
            float value = matrix.get(i);
            if (Float.float16ToFloat(Float.floatToFloat16(value)) != value) {
                throw refused(
                        "%s: got %s at %d, want numbers that F16 holds; --to hf --adapters peft keeps %s",
                        place, value, i, matrix.dtype());
            }
        }
    }

    /**
     * Writes the folder; {@code config.json} comes last, so a folder that has one is complete.
     *
     * @param note what was done, for the model card
     * @param done hears the number of each block that is written
     * @return what rounding of embeddings and head cost
     */
    public WeightError write(Path folder, String note, IntConsumer done) throws IOException {
        QuantizedFolder target = QuantizedFolder.open(folder, checkpoint, form);
        ModelWeights weights = checkpoint.weights();
        for (int b = 0; b < weights.blocks().size(); b++) {
            try (Arena arena = Arena.ofShared()) {
                target.writeBlock(b, affine(b, weights.blocks().get(b), arena));
            }
            done.accept(b);
        }
        target.finish(note);
        return target.error();
    }

    private static BlockWeights affine(int b, BlockWeights block, Arena arena) {
        Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
        for (Linear linear : Linear.values()) {
            PackedWeight weight = block.linear(linear);
            PackedWeight base = weight instanceof LowRank adapted ? adapted.base() : weight;
            if (base instanceof ScaledGroups groups) {
                AffineGroups grid = AffineGroups.find(groups.format());
                base = java.util.Objects.requireNonNull(grid)
                        .convert(new LinearId(b, linear).toString(), groups, arena);
            }
            linears.put(linear, weight instanceof LowRank adapted ? adapted.over(base) : base);
        }
        return block.withLinears(linears);
    }
}
