package dev.salient.fakequant;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.salient.method.Grid;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Fake quantization in one pass over the weights, on the CPU.
 *
 * <p>A dozen tensor operations read and write every weight a dozen times; training is bound by that traffic beside its
 * matrix products. Here forward reads a weight once and writes its value, and backward reads weight and gradient once.
 */
public final class FusedFakeQuant implements FakeQuant {
    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT.withOrder(LITTLE_ENDIAN);

    /** Adding and taking away 1.5 * 2^23 rounds a float below 2^22 to the nearest integer, ties to even. */
    private static final float ROUNDER = 0x1.8p23f;

    private static final float LARGEST_ROUNDED = 0x1p21f;

    /** A sign follows its weight up to here, in scales. */
    private static final float SIGN_REACH = 2;

    private static final int GROUPS_PER_TASK = 256;

    @Override
    public void quantize(ClippedGroups weight) {
        Groups groups = new Groups(weight);
        groups.forEachTask((from, to) -> {
            for (int group = from; group < to; group++) {
                groups.quantize(group);
            }
            return 0;
        });
    }

    @Override
    public Gradients differentiate(ClippedGroups weight, @Nullable Tensor gradient, @Nullable Weighting preservation) {
        try (TorchScope scope = new TorchScope()) {
            Groups groups = new Groups(weight);
            Tensor upper = scope.keep(torch.empty_like(weight.upper()));
            Tensor lower = scope.keep(torch.empty_like(weight.lower()));
            Tensor own = weight.trainsWeight() ? scope.keep(torch.empty_like(weight.original())) : null;
            Backward backward = new Backward(
                    groups,
                    gradient == null ? null : TorchDevice.memory(gradient.contiguous()),
                    preservation == null ? null : TorchDevice.memory(preservation.saliency()),
                    preservation == null ? 0 : (float) (2 * preservation.lambda()),
                    TorchDevice.memory(upper),
                    TorchDevice.memory(lower),
                    own == null ? null : TorchDevice.memory(own));
            double sum = groups.forEachTask((from, to) -> {
                float[] lanes = new float[FLOATS.length()];
                double preserved = 0;
                for (int group = from; group < to; group++) {
                    preserved += backward.differentiate(group, lanes);
                }
                return preserved;
            });
            return new Gradients(upper, lower, own, sum);
        }
    }

    /** The memory of one weight, seen group by group. */
    private static final class Groups {
        final ClippedGroups weight;
        final int size;
        final int largest;
        final MemorySegment original;
        final MemorySegment latent;
        final MemorySegment values;
        final MemorySegment max;
        final MemorySegment min;
        final MemorySegment upper;
        final MemorySegment lower;

        Groups(ClippedGroups weight) {
            this.weight = weight;
            this.size = weight.groupSize();
            this.largest = weight.largestCode();
            this.original = TorchDevice.memory(weight.original());
            this.latent = TorchDevice.memory(weight.latent());
            this.values = TorchDevice.memory(weight.values());
            this.max = TorchDevice.memory(weight.max());
            this.min = TorchDevice.memory(weight.min());
            this.upper = TorchDevice.memory(weight.upper());
            this.lower = TorchDevice.memory(weight.lower());
        }

        /** Runs tasks of neighbouring groups on all cores; their sums are added in order, whatever ran first. */
        double forEachTask(Task task) {
            int count = weight.groupCount();
            int tasks = Math.ceilDiv(count, GROUPS_PER_TASK);
            double[] sums = IntStream.range(0, tasks)
                    .parallel()
                    .mapToDouble(t -> task.run(t * GROUPS_PER_TASK, Math.min(count, (t + 1) * GROUPS_PER_TASK)))
                    .toArray();
            double total = 0;
            for (double sum : sums) {
                total += sum;
            }
            return total;
        }

        void quantize(int group) {
            float hi = sigmoid(at(upper, group)) * at(max, group);
            float lo = sigmoid(at(lower, group)) * at(min, group);
            float scale = ClippedGroups.scale(hi, lo, largest);
            float zero = ClippedGroups.zero(weight.grid(), hi, lo, scale);
            long first = (long) group * size * Float.BYTES;
            if (weight.grid() instanceof Grid.Binary) {
                takeSigns(first, scale);
                return;
            }
            int i = 0;
            for (; i <= size - FLOATS.length(); i += FLOATS.length()) {
                long at = first + (long) i * Float.BYTES;
                FloatVector level = FloatVector.fromMemorySegment(FLOATS, latent, at, LITTLE_ENDIAN)
                        .div(scale)
                        .max(-zero)
                        .min(largest - zero)
                        .add(ROUNDER)
                        .sub(ROUNDER);
                level.mul(scale).intoMemorySegment(values, at, LITTLE_ENDIAN);
            }
            for (; i < size; i++) {
                long at = first + (long) i * Float.BYTES;
                float level =
                        (float) Math.rint(Math.max(-zero, Math.min(largest - zero, latent.get(FLOAT, at) / scale)));
                values.set(FLOAT, at, level * scale);
            }
        }

        private void takeSigns(long first, float scale) {
            FloatVector plus = FloatVector.broadcast(FLOATS, scale);
            FloatVector minus = plus.neg();
            int i = 0;
            for (; i <= size - FLOATS.length(); i += FLOATS.length()) {
                long at = first + (long) i * Float.BYTES;
                VectorMask<Float> up = FloatVector.fromMemorySegment(FLOATS, latent, at, LITTLE_ENDIAN)
                        .compare(VectorOperators.GE, 0);
                minus.blend(plus, up).intoMemorySegment(values, at, LITTLE_ENDIAN);
            }
            for (; i < size; i++) {
                long at = first + (long) i * Float.BYTES;
                values.set(FLOAT, at, latent.get(FLOAT, at) >= 0 ? scale : -scale);
            }
        }
    }

    @FunctionalInterface
    private interface Task {
        double run(int fromGroup, int toGroup);
    }

    /** One backward pass: where gradients come from and where they go. */
    private record Backward(
            Groups groups,
            @Nullable MemorySegment gradient,
            @Nullable MemorySegment saliency,
            float twoLambda,
            MemorySegment upperGradient,
            MemorySegment lowerGradient,
            @Nullable MemorySegment weightGradient) {

        /** Writes the gradients of one group's logits; returns its part of the preservation term. */
        double differentiate(int group, float[] lanes) {
            float max = at(groups.max, group);
            float min = at(groups.min, group);
            float shareUp = sigmoid(at(groups.upper, group));
            float shareDown = sigmoid(at(groups.lower, group));
            float hi = shareUp * max;
            float lo = shareDown * min;
            float unclamped = (hi - lo) / groups.largest;
            float scale = ClippedGroups.scale(hi, lo, groups.largest);
            float zero = ClippedGroups.zero(groups.weight.grid(), hi, lo, scale);
            Sums sums = sum(group, scale, zero, lanes);
            // d scale / d hi = 1 / n where the scale is within its bounds; the zero point has no derivative
            float toScale = unclamped == scale ? (float) sums.scale / groups.largest : 0;
            upperGradient.setAtIndex(FLOAT, group, toScale * max * shareUp * (1 - shareUp));
            lowerGradient.setAtIndex(FLOAT, group, -toScale * min * shareDown * (1 - shareDown));
            return sums.preserved;
        }

        private record Sums(double scale, double preserved) {}

        /** Sums gradient times d value / d scale = level - [not clamped] w / s over a group, and writes that of the weight. */
        private Sums sum(int group, float scale, float zero, float[] lanes) {
            long first = (long) group * groups.size * Float.BYTES;
            boolean signs = groups.weight.grid() instanceof Grid.Binary;
            FloatVector one = FloatVector.broadcast(FLOATS, 1);
            float bottom = -zero;
            float top = groups.largest - zero;
            FloatVector toScale = FloatVector.zero(FLOATS);
            FloatVector preserved = FloatVector.zero(FLOATS);
            int i = 0;
            for (; i <= groups.size - FLOATS.length(); i += FLOATS.length()) {
                long at = first + (long) i * Float.BYTES;
                FloatVector w = FloatVector.fromMemorySegment(FLOATS, groups.latent, at, LITTLE_ENDIAN);
                FloatVector ratio = w.div(scale);
                FloatVector rounded = ratio.max(-LARGEST_ROUNDED)
                        .min(LARGEST_ROUNDED)
                        .add(ROUNDER)
                        .sub(ROUNDER);
                FloatVector level = signs
                        ? one.neg().blend(one, w.compare(VectorOperators.GE, 0))
                        : rounded.max(bottom).min(top);
                VectorMask<Float> inside = signs
                        ? ratio.abs().compare(VectorOperators.LE, SIGN_REACH)
                        : rounded.compare(VectorOperators.EQ, level);
                FloatVector slope = signs ? level : level.sub(ratio, inside);
                FloatVector g = gradient == null
                        ? FloatVector.zero(FLOATS)
                        : FloatVector.fromMemorySegment(FLOATS, gradient, at, LITTLE_ENDIAN);
                if (saliency != null) {
                    FloatVector off = level.mul(scale)
                            .sub(FloatVector.fromMemorySegment(FLOATS, groups.original, at, LITTLE_ENDIAN));
                    FloatVector weighted = off.mul(FloatVector.fromMemorySegment(FLOATS, saliency, at, LITTLE_ENDIAN));
                    g = weighted.fma(FloatVector.broadcast(FLOATS, twoLambda), g);
                    preserved = weighted.fma(off, preserved);
                }
                toScale = g.fma(slope, toScale);
                if (weightGradient != null) {
                    FloatVector.zero(FLOATS).blend(g, inside).intoMemorySegment(weightGradient, at, LITTLE_ENDIAN);
                }
            }
            double scaleSum = inOrder(toScale, lanes);
            double preservedSum = inOrder(preserved, lanes);
            for (; i < groups.size; i++) {
                long at = first + (long) i * Float.BYTES;
                float w = groups.latent.get(FLOAT, at);
                float rounded = (float) Math.rint(w / scale);
                float level = signs ? w >= 0 ? 1 : -1 : Math.max(bottom, Math.min(top, rounded));
                boolean inside = signs ? Math.abs(w / scale) <= SIGN_REACH : rounded == level;
                float slope = inside && !signs ? level - w / scale : level;
                float g = gradient == null ? 0 : gradient.get(FLOAT, at);
                if (saliency != null) {
                    float off = level * scale - groups.original.get(FLOAT, at);
                    g += twoLambda * off * saliency.get(FLOAT, at);
                    preservedSum += off * off * saliency.get(FLOAT, at);
                }
                scaleSum += g * slope;
                if (weightGradient != null) {
                    weightGradient.set(FLOAT, at, inside ? g : 0);
                }
            }
            return new Sums(scaleSum, preservedSum);
        }
    }

    /**
     * The sum of the lanes, first to last. {@code reduceLanes} may add in any order, and does so in another one before and
     * after it is compiled: two runs of the same settings would differ in their last bits.
     */
    private static double inOrder(FloatVector vector, float[] lanes) {
        vector.intoArray(lanes, 0);
        double sum = 0;
        for (float lane : lanes) {
            sum += lane;
        }
        return sum;
    }

    private static float at(MemorySegment floats, int index) {
        return floats.getAtIndex(FLOAT, index);
    }

    private static float sigmoid(float logit) {
        return (float) (1 / (1 + Math.exp(-logit)));
    }
}
