package dev.salient.fakequant;

import dev.salient.method.Grid;
import dev.salient.packed.SuperBlocks;
import dev.salient.packed.SuperFormat;
import dev.salient.tensor.DType;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * GGUF's Q2_K under training: groups of 16 with a scale and a minimum, both small integers times a number of the block of 256.
 *
 * <pre>
 * s = (hi - lo) / 3,  m = -lo;   hi = sigmoid(u) max,  lo = sigmoid(l) min
 * d = fp16(max s / 15),  sc = clamp(round(s / d), 0, 15);   dmin = fp16(max m / 15),  mm likewise      max over a block's 16 groups
 * S = d sc,  M = dmin mm;   q = clamp(round((w + M) / S), 0, 3);   value = S q - M
 * </pre>
 *
 * <p>Rounding is straight-through, that of S and M too, so with {@code r = (w + M) / S} and {@code inside = [round(r) = q and S > 0]}:
 * {@code d value / d s = q - r inside}, {@code d value / d m = inside - 1}, {@code d value / d w = inside}.
 */
final class BlockFakeQuant implements FakeQuant {
    private static final int LARGEST_CODE = 3;
    /** Of sc and mm. */
    private static final int LARGEST_STEP = 15;

    private static final SuperFormat FORMAT = SuperFormat.Q2_K;
    private static final int GROUPS = FORMAT.blockSize() / FORMAT.groupSize();

    @Override
    public void quantize(ClippedGroups weight) {
        try (TorchScope scope = new TorchScope()) {
            weight.values().detach().copy_(Parts.of(weight).values().view_as(weight.original()));
        }
    }

    @Override
    public Gradients differentiate(ClippedGroups weight, @Nullable Tensor gradient, @Nullable Weighting preservation) {
        try (TorchScope scope = new TorchScope()) {
            Parts parts = Parts.of(weight);
            TensorGradients.Total total = TensorGradients.total(weight, gradient, preservation, parts::values);
            Tensor g = total.byValues();
            Tensor grouped = g.view_as(parts.codes);
            Tensor inside = parts.ratio
                    .round()
                    .eq(parts.codes)
                    .logical_and(parts.scale.values().ne(new Scalar(0.0)))
                    .to(torch.ScalarType.Float);
            Tensor byScale = TensorGradients.sum(grouped.mul(parts.codes.sub(parts.ratio.mul(inside))));
            Tensor byMinimum = TensorGradients.sum(grouped.mul(inside.sub(new Scalar(1.0))));
            Tensor byHi = byScale.div(new Scalar(LARGEST_CODE));
            Tensor byLo = byHi.add(byMinimum).neg();
            return new Gradients(
                    scope.keep(TensorGradients.byLogit(byHi, weight.upper(), weight.max())),
                    scope.keep(TensorGradients.byLogit(byLo, weight.lower(), weight.min())),
                    weight.trainsWeight() ? scope.keep(g.mul(inside.view_as(g))) : null,
                    total.preservation());
        }
    }

    /** What one group's rounding costs under a scale and a minimum that need no rounding themselves: {@code scale (code - zero)}. */
    static double squaredError(float[] weights, int from, int size, float scale, float zero) {
        float error = 0;
        for (int i = from; i < from + size; i++) {
            float code = (float) Math.rint(Math.clamp(weights[i] / scale + zero, 0, LARGEST_CODE));
            float difference = scale * (code - zero) - weights[i];
            error += difference * difference;
        }
        return error;
    }

    /** The stored form, whose values are those of {@link #quantize} bit for bit. */
    static SuperBlocks stored(ClippedGroups weight) {
        int out = Math.toIntExact(weight.original().size(0));
        int in = Math.toIntExact(weight.original().size(1));
        float[] codes;
        float[][] steps;
        float[][] units;
        try (TorchScope scope = new TorchScope()) {
            Parts parts = Parts.of(weight);
            codes = TorchDevice.toFloats(parts.codes);
            steps = new float[][] {TorchDevice.toFloats(parts.scale.steps), TorchDevice.toFloats(parts.minimum.steps)};
            units = new float[][] {TorchDevice.toFloats(parts.scale.unit), TorchDevice.toFloats(parts.minimum.unit)};
        }
        int blocks = out * (in / FORMAT.blockSize());
        MemorySegment data = MemorySegment.ofArray(new byte[blocks * FORMAT.byteCount()]);
        for (int b = 0; b < blocks; b++) {
            MemorySegment block = data.asSlice((long) b * FORMAT.byteCount(), FORMAT.byteCount());
            for (int g = 0; g < GROUPS; g++) {
                int both = (int) steps[0][b * GROUPS + g] | ((int) steps[1][b * GROUPS + g] << 4);
                block.set(ValueLayout.JAVA_BYTE, g, (byte) both);
            }
            for (int i = 0; i < FORMAT.blockSize(); i++) { // four codes to a byte, 32 weights apart
                int at = GROUPS + i / 128 * 32 + i % 32;
                int code = (int) codes[b * FORMAT.blockSize() + i] << (i % 128 / 32 * 2);
                block.set(ValueLayout.JAVA_BYTE, at, (byte) (block.get(ValueLayout.JAVA_BYTE, at) | code));
            }
            DType.F16.set(block.asSlice(80), 0, units[0][b]);
            DType.F16.set(block.asSlice(80), 1, units[1][b]);
        }
        return new SuperBlocks(out, in, FORMAT, data);
    }

    /**
     * Numbers of groups as small integers times one fp16 number of their block.
     *
     * @param steps [out, blocks, groups], 0 to 15
     * @param unit [out, blocks, 1]
     */
    private record InBlocks(Tensor steps, Tensor unit) {
        /** Of numbers of 0 or more, [out, groups in all]. */
        static InBlocks of(Tensor exact) {
            Tensor inBlocks = exact.view(exact.size(0), -1, GROUPS);
            Tensor unit = inBlocks.amax(new long[] {2}, true)
                    .div(new Scalar(LARGEST_STEP))
                    .to(torch.ScalarType.Half)
                    .to(torch.ScalarType.Float);
            Tensor steps = inBlocks.div(orOne(unit)); // a unit of 0 is one of numbers that are all 0, or too small
            return new InBlocks(clamp(steps.round_(), LARGEST_STEP), unit);
        }

        /** [out, groups in all, 1]. */
        Tensor values() {
            return steps.mul(unit).view(steps.size(0), -1, 1);
        }
    }

    /** These numbers, 1 where they are 0. */
    private static Tensor orOne(Tensor numbers) {
        return numbers.add(numbers.eq(new Scalar(0.0)));
    }

    private static Tensor clamp(Tensor tensor, double most) {
        return tensor.clamp_(new ScalarOptional(new Scalar(0.0)), new ScalarOptional(new Scalar(most)));
    }

    /**
     * The formula's quantities.
     *
     * @param ratio r, [out, groups, group size]; 0 where S is 0
     * @param codes q, likewise
     */
    private record Parts(InBlocks scale, InBlocks minimum, Tensor ratio, Tensor codes) {
        static Parts of(ClippedGroups weight) {
            Grid grid = weight.grid();
            if (!(grid instanceof Grid.Q2K)) {
                throw new IllegalArgumentException("grid: got %s, want q2_k".formatted(grid));
            }
            Tensor hi = weight.upper().sigmoid().mul(weight.max());
            Tensor lo = weight.lower().sigmoid().mul(weight.min());
            InBlocks scale = InBlocks.of(hi.sub(lo).div_(new Scalar(LARGEST_CODE)));
            InBlocks minimum = InBlocks.of(lo.neg());
            Tensor w = weight.latent().view(hi.size(0), hi.size(1), weight.groupSize());
            Tensor s = scale.values();
            Tensor ratio = w.add(minimum.values()).div_(orOne(s)).mul_(s.ne(new Scalar(0.0)));
            return new Parts(scale, minimum, ratio, clamp(ratio.round(), LARGEST_CODE));
        }

        Tensor values() {
            return codes.mul(scale.values()).sub_(minimum.values());
        }
    }
}
