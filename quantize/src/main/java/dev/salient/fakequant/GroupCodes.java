package dev.salient.fakequant;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.salient.packed.GroupAffine;
import dev.salient.tensor.DType;
import dev.salient.torch.TorchDevice;
import java.lang.foreign.MemorySegment;

/** The codes that a trained clipping comes to, once its scales are rounded to fp16. */
public final class GroupCodes {
    private GroupCodes() {}

    /** The stored form of a weight under its present clipping. */
    public static GroupAffine of(ClippedGroups weight) {
        int out = Math.toIntExact(weight.original().size(0));
        int in = Math.toIntExact(weight.original().size(1));
        int bits = weight.grid().bits();
        float[] latent = TorchDevice.toFloats(weight.latent());
        float[] max = TorchDevice.toFloats(weight.max());
        float[] min = TorchDevice.toFloats(weight.min());
        float[] upper = TorchDevice.toFloats(weight.upper());
        float[] lower = TorchDevice.toFloats(weight.lower());
        MemorySegment scales = MemorySegment.ofArray(new byte[max.length * Short.BYTES]);
        MemorySegment zeros = MemorySegment.ofArray(new byte[max.length]);
        byte[] codes = new byte[Math.toIntExact((long) out * in * bits / Byte.SIZE)];
        for (int group = 0; group < max.length; group++) {
            float hi = sigmoid(upper[group]) * max[group];
            float lo = sigmoid(lower[group]) * min[group];
            float exact = ClippedGroups.scale(hi, lo, weight.largestCode());
            float scale = Float.float16ToFloat(Float.floatToFloat16(exact));
            float zero = ClippedGroups.zero(weight.grid(), hi, lo, scale);
            DType.F16.set(scales, group, scale);
            zeros.set(JAVA_BYTE, group, (byte) zero);
            int first = group * weight.groupSize();
            for (int i = first; i < first + weight.groupSize(); i++) {
                float level = (float) Math.rint(Math.clamp(latent[i] / scale, -zero, weight.largestCode() - zero));
                put(codes, i, bits, (int) (level + zero));
            }
        }
        return new GroupAffine(out, in, bits, weight.groupSize(), MemorySegment.ofArray(codes), scales, zeros);
    }

    private static void put(byte[] codes, int index, int bits, int code) {
        long bit = (long) index * bits;
        int at = (int) (bit >>> 3);
        int shifted = code << (bit & 7);
        codes[at] |= (byte) shifted;
        if (shifted > 0xFF) {
            codes[at + 1] |= (byte) (shifted >>> 8);
        }
    }

    private static float sigmoid(float logit) {
        return (float) (1 / (1 + Math.exp(-logit)));
    }
}
