package dev.salient.kernel;

import static dev.salient.kernel.Lanes.FLOATS;
import static dev.salient.kernel.Lanes.floats;
import static dev.salient.kernel.Lanes.signed;
import static dev.salient.kernel.Lanes.unsigned;
import static java.lang.invoke.MethodHandles.lookup;
import static java.lang.invoke.MethodType.methodType;

import java.lang.invoke.MethodHandle;
import java.util.EnumMap;
import java.util.Objects;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** Values of a strip's rows as a column of a panel: what a product with many tokens begins with. */
final class StripUnpacker {
    private static final int WIDTH = MicroKernel.WIDTH;

    private static final EnumMap<Plane, MethodHandle> KERNELS =
            Apart.methods(lookup(), methodType(void.class, StripStage.class, int.class, float[].class, int.class));

    private static final MethodHandle[] TWO_BITS_ON_TOP = Apart.method(
            lookup(), "twoBitsOnTop", methodType(void.class, StripStage.class, int.class, float[].class, int.class));

    private StripUnpacker() {}

    /**
     * Writes {@code COUNT} rows of the strip, from {@code row}; the one-bit plane and a plane of high bits add to what is there.
     *
     * @param values [in, WIDTH], rows of the strip in columns {@code to} and following
     */
    static void unpack(Plane plane, StripStage stage, int row, float[] values, int to) {
        MethodHandle kernel =
                stage.onTop && plane == Plane.TWO ? TWO_BITS_ON_TOP[0] : Objects.requireNonNull(KERNELS.get(plane));
        try {
            kernel.invokeExact(stage, row, values, to);
        } catch (Throwable e) {
            throw Apart.thrown(e);
        }
    }

    private static FloatVector load(float[] x, int at) {
        return FloatVector.fromArray(FLOATS, x, at);
    }

    /** What is added to a segment's scaled codes. */
    private static FloatVector offset(StripStage stage, int at) {
        FloatVector offset = stage.scale(at).mul(-stage.zero);
        return stage.hasOffsets ? offset.add(stage.offset(at)) : offset;
    }

    static void oneBit(StripStage stage, int row, float[] values, int to) {
        byte[] codes = stage.codes;
        int half = row >> 4 << 2;
        int from = stage.at + (row & 15);
        for (int s = 0; s < stage.segments; s++) {
            FloatVector scale = stage.scale(32 * s + row).mul(1f / (1 << half));
            FloatVector offset = offset(stage, 32 * s + row);
            int first = s * stage.positions;
            for (int p = first; p < first + stage.positions; p++) {
                IntVector bytes = unsigned(codes, from + 16 * p);
                int at = 4 * p * WIDTH + to;
                floats(bytes.and(1 << half))
                        .fma(scale, offset)
                        .add(load(values, at))
                        .intoArray(values, at);
                floats(bytes.and(2 << half))
                        .fma(scale.mul(0x1p-1f), offset)
                        .add(load(values, at + WIDTH))
                        .intoArray(values, at + WIDTH);
                floats(bytes.and(4 << half))
                        .fma(scale.mul(0x1p-2f), offset)
                        .add(load(values, at + 2 * WIDTH))
                        .intoArray(values, at + 2 * WIDTH);
                floats(bytes.and(8 << half))
                        .fma(scale.mul(0x1p-3f), offset)
                        .add(load(values, at + 3 * WIDTH))
                        .intoArray(values, at + 3 * WIDTH);
            }
        }
    }

    static void twoBits(StripStage stage, int row, float[] values, int to) {
        byte[] codes = stage.codes;
        int half = row >> 4 << 2;
        int from = stage.at + (row & 15);
        for (int s = 0; s < stage.segments; s++) {
            FloatVector scale = stage.scale(32 * s + row).mul(1f / (1 << half));
            FloatVector quarter = scale.mul(0x1p-2f);
            FloatVector offset = offset(stage, 32 * s + row);
            int first = s * stage.positions;
            for (int p = first; p < first + stage.positions; p++) {
                IntVector bytes = unsigned(codes, from + 16 * p);
                int at = 2 * p * WIDTH + to;
                floats(bytes.and(0x03 << half)).fma(scale, offset).intoArray(values, at);
                floats(bytes.and(0x0C << half)).fma(quarter, offset).intoArray(values, at + WIDTH);
            }
        }
    }

    static void twoBitsOnTop(StripStage stage, int row, float[] values, int to) {
        byte[] codes = stage.codes;
        int half = row >> 4 << 2;
        int from = stage.at + (row & 15);
        for (int s = 0; s < stage.segments; s++) {
            FloatVector scale = stage.scale(32 * s + row).mul(1f / (1 << half));
            FloatVector quarter = scale.mul(0x1p-2f);
            int first = s * stage.positions;
            for (int p = first; p < first + stage.positions; p++) {
                IntVector bytes = unsigned(codes, from + 16 * p);
                int at = 2 * p * WIDTH + to;
                floats(bytes.and(0x03 << half)).fma(scale, load(values, at)).intoArray(values, at);
                floats(bytes.and(0x0C << half))
                        .fma(quarter, load(values, at + WIDTH))
                        .intoArray(values, at + WIDTH);
            }
        }
    }

    static void fourBits(StripStage stage, int row, float[] values, int to) {
        byte[] codes = stage.codes;
        int half = row >> 4 << 2;
        int from = stage.at + (row & 15);
        for (int s = 0; s < stage.segments; s++) {
            FloatVector scale = stage.scale(32 * s + row).mul(1f / (1 << half));
            FloatVector offset = offset(stage, 32 * s + row);
            int first = s * stage.positions;
            for (int p = first; p < first + stage.positions; p++) {
                IntVector bytes = unsigned(codes, from + 16 * p);
                floats(bytes.and(0x0F << half)).fma(scale, offset).intoArray(values, p * WIDTH + to);
            }
        }
    }

    static void eightBits(StripStage stage, int row, float[] values, int to) {
        byte[] codes = stage.codes;
        int from = stage.at + row;
        for (int s = 0; s < stage.segments; s++) {
            FloatVector scale = stage.scale(32 * s + row);
            FloatVector offset = offset(stage, 32 * s + row);
            int first = s * stage.positions;
            for (int p = first; p < first + stage.positions; p++) {
                floats(signed(codes, from + 32 * p)).fma(scale, offset).intoArray(values, p * WIDTH + to);
            }
        }
    }
}
