package dev.salient.fakequant;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.salient.method.Grid;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.torch.TorchDevice;
import java.lang.foreign.MemorySegment;

/** Codes, scales and zero points of a weight in the making: what a trained clipping comes to, or a method sets one by one. */
public final class GroupCodes {
    private final Grid grid;
    private final int out;
    private final int in;
    private final byte[] codes;
    private final MemorySegment scales;
    private final MemorySegment zeros;

    /** All codes 0. */
    public GroupCodes(Grid grid, int out, int in) {
        this.grid = grid;
        this.out = out;
        this.in = in;
        int groups = Math.multiplyExact(out, in / grid.groupSizeFor(in));
        codes = new byte[Math.toIntExact((long) out * in * grid.bits() / Byte.SIZE)];
        scales = MemorySegment.ofArray(new byte[groups * Short.BYTES]);
        zeros = MemorySegment.ofArray(new byte[groups]);
    }

    /** The stored form of a weight under its present clipping, on any grid. */
    public static PackedWeight stored(ClippedGroups weight) {
        return switch (weight.grid()) {
            case Grid.DualBinary dual -> DualFakeQuant.stored(weight);
            case Grid.Q2K blocks -> BlockFakeQuant.stored(weight);
            default -> of(weight);
        };
    }

    /** The codes of a weight under its present clipping. */
    public static GroupAffine of(ClippedGroups weight) {
        int out = Math.toIntExact(weight.original().size(0));
        int in = Math.toIntExact(weight.original().size(1));
        float[] latent = TorchDevice.toFloats(weight.latent());
        float[] max = TorchDevice.toFloats(weight.max());
        float[] min = TorchDevice.toFloats(weight.min());
        float[] upper = TorchDevice.toFloats(weight.upper());
        float[] lower = TorchDevice.toFloats(weight.lower());
        GroupCodes codes = new GroupCodes(weight.grid(), out, in);
        for (int group = 0; group < max.length; group++) {
            float hi = sigmoid(upper[group]) * max[group];
            float lo = sigmoid(lower[group]) * min[group];
            float exact = ClippedGroups.scale(hi, lo, weight.largestCode());
            float scale = Float.float16ToFloat(Float.floatToFloat16(exact));
            GroupFit fit = new GroupFit(weight.grid(), scale, ClippedGroups.zero(weight.grid(), hi, lo, scale));
            codes.setGroup(group, fit);
            int first = group * weight.groupSize();
            for (int i = first; i < first + weight.groupSize(); i++) {
                codes.setCode(i, fit.code(latent[i]));
            }
        }
        return codes.pack();
    }

    /** Sets scale and zero point of a group, [out, in / groupSize]. */
    public void setGroup(int group, GroupFit fit) {
        DType.F16.set(scales, group, fit.scale());
        zeros.set(JAVA_BYTE, group, (byte) fit.zero());
    }

    /** Sets the code at an index of [out, in]; each once, and one row by one thread. */
    public void setCode(int index, int code) {
        int bits = grid.bits();
        long bit = (long) index * bits;
        int at = (int) (bit >>> 3);
        int shifted = code << (bit & 7);
        codes[at] |= (byte) shifted;
        if (shifted > 0xFF) {
            codes[at + 1] |= (byte) (shifted >>> 8);
        }
    }

    /** The stored form of what was set. */
    public GroupAffine pack() {
        return new GroupAffine(
                out, in, grid.bits(), grid.groupSizeFor(in), MemorySegment.ofArray(codes), scales, zeros);
    }

    private static float sigmoid(float logit) {
        return (float) (1 / (1 + Math.exp(-logit)));
    }
}
