package dev.salient.model;

import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Random models small enough for a naive forward pass. */
final class TinyModels {
    private TinyModels() {}

    static ModelConfig config(int heads, int kvHeads, @Nullable RopeScaling scaling) {
        return new ModelConfig(64, 128, 2, heads, kvHeads, 16, 37, 4096, 10_000, scaling, 1e-5, false);
    }

    /** Dense fp32 weights. */
    static ModelWeights dense(ModelConfig config, Random random) {
        return build(
                config, random, (out, in) -> Dense.ofFloats(out, in, gaussians(out * in, 1.0 / Math.sqrt(in), random)));
    }

    /** Two-bit linears with adapters on top. */
    static ModelWeights twoBit(ModelConfig config, Random random) {
        return build(
                config,
                random,
                (out, in) -> new LowRank(
                        affine(out, in, random),
                        Tensor.ofFloats(Shape.of(3, in), gaussians(3 * in, 0.1, random)),
                        Tensor.ofFloats(Shape.of(out, 3), gaussians(3 * out, 0.1, random)),
                        2f));
    }

    /** Random keys and values that a model may have of these tokens. */
    static IntactKv intact(ModelConfig config, Random random, Integer... tokens) {
        return new IntactKv(
                List.of(tokens), halves(config, random, tokens.length), halves(config, random, tokens.length));
    }

    private static Tensor halves(ModelConfig config, Random random, int tokens) {
        Shape shape = IntactKv.shape(config, tokens);
        MemorySegment data = MemorySegment.ofArray(new byte[(int) shape.elementCount() * Short.BYTES]);
        for (int i = 0; i < shape.elementCount(); i++) {
            DType.F16.set(data, i, (float) random.nextGaussian());
        }
        return new Tensor(DType.F16, shape, data);
    }

    private static GroupAffine affine(int out, int in, Random random) {
        int groups = out * in / 64;
        byte[] codes = new byte[out * in / 4];
        random.nextBytes(codes);
        byte[] zeros = new byte[groups];
        MemorySegment scales = MemorySegment.ofArray(new byte[groups * Short.BYTES]);
        for (int g = 0; g < groups; g++) {
            zeros[g] = (byte) (1 + random.nextInt(2));
            DType.F16.set(scales, g, (float) (random.nextGaussian() / Math.sqrt(in)));
        }
        return new GroupAffine(out, in, 2, 64, MemorySegment.ofArray(codes), scales, MemorySegment.ofArray(zeros));
    }

    private static ModelWeights build(ModelConfig config, Random random, WeightSource source) {
        List<BlockWeights> blocks = new ArrayList<>();
        for (int b = 0; b < config.blockCount(); b++) {
            Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
            for (Linear linear : Linear.values()) {
                linears.put(linear, source.make(linear.out(config), linear.in(config)));
            }
            blocks.add(new BlockWeights(gain(config, random), gain(config, random), linears));
        }
        int vocab = config.vocabSize();
        int hidden = config.hiddenSize();
        PackedWeight embedding = Dense.ofFloats(vocab, hidden, gaussians(vocab * hidden, 1, random));
        PackedWeight head = Dense.ofFloats(vocab, hidden, gaussians(vocab * hidden, 0.2, random));
        return new ModelWeights(config, embedding, blocks, gain(config, random), head);
    }

    private static Tensor gain(ModelConfig config, Random random) {
        return Tensor.ofFloats(Shape.of(config.hiddenSize()), gaussians(config.hiddenSize(), 1, random));
    }

    private static float[] gaussians(int count, double scale, Random random) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (scale * random.nextGaussian());
        }
        return values;
    }

    private interface WeightSource {
        PackedWeight make(int out, int in);
    }
}
