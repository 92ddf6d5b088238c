package dev.salient.format;

import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
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
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a model on disk is made of.
 *
 * @param source the folder or file
 * @param parts embedding, the linears of all blocks in order, and the head where it is not the embedding
 * @param bitsPerWeight of the block linears: what grids, adapters and intact keys and values need
 * @param fileBitsPerWeight of the block linears: what the file spends, with zero points and group indices
 * @param weightFileBytes of all weight files and their configuration
 */
public record ModelSummary(
        Path source,
        ModelConfig config,
        List<Part> parts,
        double bitsPerWeight,
        double fileBitsPerWeight,
        long weightFileBytes) {
    public ModelSummary {
        parts = List.copyOf(parts);
    }

    /**
     * One stored matrix.
     *
     * @param name {@code embedding}, {@code head} or a linear such as {@code 11.down}
     * @param format such as {@code F16}, {@code Q4_1}, {@code 2 bit g64 + r8}
     */
    public record Part(String name, String format, int out, int in, double bitsPerWeight) {
        static Part of(String name, PackedWeight weight) {
            return new Part(name, formatOf(weight), weight.out(), weight.in(), weight.bitsPerWeight());
        }
    }

    static ModelSummary of(Path source, ModelWeights weights, long weightFileBytes) {
        List<Part> parts = new ArrayList<>();
        parts.add(Part.of("embedding", weights.embedding()));
        long needed = weights.intact() == null ? 0 : weights.intact().bits();
        long spent = needed;
        for (int b = 0; b < weights.blocks().size(); b++) {
            BlockWeights block = weights.blocks().get(b);
            for (Linear linear : Linear.values()) {
                parts.add(Part.of(new LinearId(b, linear).toString(), block.linear(linear)));
                needed += block.linear(linear).neededBits();
                spent += fileBits(block.linear(linear));
            }
        }
        if (!weights.config().tiedEmbeddings()) {
            parts.add(Part.of("head", weights.head()));
        }
        double count = weights.config().linearWeightCount();
        return new ModelSummary(source, weights.config(), parts, needed / count, spent / count, weightFileBytes);
    }

    /** How many of the block linears have each format, most common first seen first. */
    public Map<String, Integer> linearFormats() {
        Map<String, Integer> counts = new LinkedHashMap<>();
        for (Part part : parts) {
            if (!part.name.equals("embedding") && !part.name.equals("head")) {
                counts.merge(part.format, 1, Integer::sum);
            }
        }
        return counts;
    }

    /** A packed weight's form in a few words. */
    public static String formatOf(PackedWeight weight) {
        return switch (weight) {
            case Dense dense -> dense.values().dtype().name();
            case ScaledGroups groups -> groups.format().name();
            case SuperBlocks blocks -> blocks.format().name();
            case GroupAffine affine -> {
                String codes = switch (affine.levels()) {
                    case SIGNS -> "binary ";
                    case TERNARY -> "ternary ";
                    case ALL -> affine.bits() + " bit ";
                };
                yield codes + (affine.groupSize() == affine.in() ? "per row" : "g" + affine.groupSize());
            }
            case AdditiveCodebook codebooks ->
                "%dx%d g%d".formatted(codebooks.codebookCount(), codebooks.bits(), codebooks.groupSize());
            case ScaleMixture mixture -> "binary, %d scales by token".formatted(mixture.experts());
            case Reordered reordered -> formatOf(reordered.base()) + " act-order";
            case LowRank adapted ->
                formatOf(adapted.base()) + (adapted.magnitude() == null ? " + r" : " + DoRA r") + adapted.rank();
        };
    }

    /** Bits in the file: GPTQ's folders store every zero point, and a 32-bit group index for each input channel. */
    private static long fileBits(PackedWeight weight) {
        return switch (weight) {
            case Dense dense -> dense.storedBytes() * Byte.SIZE;
            case ScaledGroups groups -> groups.storedBytes() * Byte.SIZE;
            case SuperBlocks blocks -> blocks.storedBytes() * Byte.SIZE;
            case AdditiveCodebook codebooks -> codebooks.storedBytes() * Byte.SIZE;
            case ScaleMixture mixture -> mixture.storedBytes() * Byte.SIZE;
            case GroupAffine affine ->
                (affine.codes().byteSize() + affine.scales().byteSize()) * Byte.SIZE
                        + affine.zeros().byteSize() * affine.bits()
                        + (long) affine.in() * Integer.SIZE;
            case Reordered reordered -> fileBits(reordered.base()); // its group indices are counted there
            case LowRank adapted ->
                fileBits(adapted.base())
                        + (adapted.storedBytes() - adapted.base().storedBytes()) * Byte.SIZE;
        };
    }
}
