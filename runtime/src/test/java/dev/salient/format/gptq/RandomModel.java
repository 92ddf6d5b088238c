package dev.salient.format.gptq;

import dev.salient.format.Checkpoint;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaleMixture;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Models of random weights, small enough to write in a test. */
public final class RandomModel {
    public static final ModelConfig CONFIG = new ModelConfig(64, 96, 2, 4, 2, 16, 40, 128, 10000, null, 1e-5, false);

    private final Random random;

    public RandomModel(long seed) {
        random = new Random(seed);
    }

    /** What random weights a linear gets. */
    public interface Maker {
        PackedWeight make(int block, Linear linear, int out, int in);
    }

    public ModelWeights weights(ModelConfig config, Maker maker) {
        List<BlockWeights> blocks = new ArrayList<>();
        for (int b = 0; b < config.blockCount(); b++) {
            Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
            for (Linear linear : Linear.values()) {
                linears.put(linear, maker.make(b, linear, linear.out(config), linear.in(config)));
            }
            blocks.add(new BlockWeights(vector(config.hiddenSize()), vector(config.hiddenSize()), linears));
        }
        PackedWeight embedding = dense(config.vocabSize(), config.hiddenSize());
        PackedWeight head = config.tiedEmbeddings() ? embedding : dense(config.vocabSize(), config.hiddenSize());
        return new ModelWeights(config, embedding, blocks, vector(config.hiddenSize()), head);
    }

    Tensor vector(int length) {
        return Tensor.ofFloats(Shape.of(length), floats(length));
    }

    public Dense dense(int out, int in) {
        return Dense.ofFloats(out, in, floats(out * in));
    }

    Tensor half(int rows, int columns) {
        MemorySegment data = MemorySegment.ofArray(new byte[rows * columns * 2]);
        for (int i = 0; i < rows * columns; i++) {
            DType.F16.set(data, i, (float) random.nextGaussian());
        }
        return new Tensor(DType.F16, Shape.of(rows, columns), data);
    }

    /** A DoRA whose rows are about as long as they were. */
    public LowRank stretched(LowRank adapted) {
        float[] lengths = new float[adapted.out()];
        float[] row = new float[adapted.in()];
        for (int r = 0; r < lengths.length; r++) {
            adapted.decodeRow(r, row, 0);
            double squares = 0;
            for (float value : row) {
                squares += value * value;
            }
            lengths[r] = (float) Math.sqrt(squares) * (0.5f + random.nextFloat());
        }
        MemorySegment halves = MemorySegment.ofArray(new byte[lengths.length * Short.BYTES]);
        for (int r = 0; r < lengths.length; r++) {
            DType.F16.set(halves, r, lengths[r]);
        }
        Tensor magnitude = new Tensor(DType.F16, Shape.of(lengths.length), halves);
        return new LowRank(adapted.base(), adapted.a(), adapted.b(), adapted.scaling(), magnitude);
    }

    public LowRank adapted(PackedWeight base, int rank, float scaling) {
        return new LowRank(base, half(rank, base.in()), half(base.out(), rank), scaling);
    }

    /**
     * Codebooks.
     *
     * @param shape [codebookCount, 2^bits, groupSize]
     */
    public AdditiveCodebook codebooks(int out, int in, Shape shape) {
        int codes = out * (in / shape.dimension(2)) * shape.dimension(0);
        return AdditiveCodebook.of(
                shape,
                random.ints(codes, 0, shape.dimension(1)).toArray(),
                floats((int) shape.elementCount()),
                floats(out));
    }

    /** Random signs, a router whose logits are about 1, and scales of both signs. */
    public ScaleMixture mixture(int out, int in, int experts) {
        byte[] signs = new byte[out * in / 8];
        random.nextBytes(signs);
        return new ScaleMixture(
                out, in, MemorySegment.ofArray(signs), half(experts, in), half(experts, in), half(experts, out));
    }

    /** Random codes, scales of both signs, and zero points from {@code lowest} to {@code highest}. */
    public GroupAffine affine(int out, int in, Grid grid) {
        int groups = out * (in / grid.groupSize);
        byte[] codes = new byte[Math.toIntExact((long) out * in * grid.bits / 8)];
        random.nextBytes(codes);
        byte[] zeros = new byte[groups];
        MemorySegment scales = MemorySegment.ofArray(new byte[groups * 2]);
        for (int g = 0; g < groups; g++) {
            zeros[g] = (byte) random.nextInt(grid.lowest, grid.highest + 1);
            DType.F16.set(scales, g, (float) random.nextGaussian());
        }
        return new GroupAffine(
                out, in, grid.bits, grid.groupSize, MemorySegment.ofArray(codes), scales, MemorySegment.ofArray(zeros));
    }

    /** Codes from {@code 0} to 2 in steps, zero points 1, scales above 0: ternary by 1, signs by 2. */
    public GroupAffine symmetric(int out, int in, int groupSize, int step) {
        byte[] codes = new byte[out * in / 4];
        for (int i = 0; i < out * in; i++) {
            codes[i / 4] |= (byte) ((step * random.nextInt(2 / step + 1)) << (2 * (i % 4)));
        }
        int groups = out * (in / groupSize);
        byte[] zeros = new byte[groups];
        MemorySegment scales = MemorySegment.ofArray(new byte[groups * 2]);
        for (int g = 0; g < groups; g++) {
            zeros[g] = 1;
            DType.F16.set(scales, g, (float) Math.abs(random.nextGaussian()));
        }
        return new GroupAffine(
                out, in, 2, groupSize, MemorySegment.ofArray(codes), scales, MemorySegment.ofArray(zeros));
    }

    public record Grid(int bits, int groupSize, int lowest, int highest) {
        public static Grid any(int bits, int groupSize) {
            return new Grid(bits, groupSize, 0, (1 << bits) - 1);
        }

        public static Grid signed2(int groupSize) {
            return new Grid(2, groupSize, 1, 1);
        }
    }

    private float[] floats(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    /** An open checkpoint over these weights whose source is a folder with a minimal configuration. */
    public static Checkpoint checkpoint(java.nio.file.Path source, ModelWeights weights) {
        return new Checkpoint(source, weights, null, null, List.of(2), Arena.ofAuto());
    }
}
