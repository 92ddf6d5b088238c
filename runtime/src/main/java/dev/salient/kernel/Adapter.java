package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;
import static java.lang.invoke.MethodHandles.lookup;
import static java.lang.invoke.MethodType.methodType;

import dev.salient.packed.Dense;
import dev.salient.packed.LowRank;
import dev.salient.packed.Reordered;
import dev.salient.tensor.DType;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * A low-rank adapter whose b is cut into strips, as its base is: {@code y += scaling * b (a x)}, and a DoRA's rows stretched to their
 * lengths afterwards.
 */
final class Adapter {
    private static final MethodHandle[] KERNEL = Apart.method(
            lookup(),
            "addStrip",
            methodType(void.class, Adapter.class, int.class, float[].class, int.class, float[].class));

    private final Dense a;
    private final Dense b;
    private final int rank;
    private final float scaling;
    /** [strip, rank, 32], fp16, of an fp16 b; else empty. */
    private final short[] halves;
    /** [strip, rank, 32] of another b; else empty. */
    private final float[] floats;
    /** [strips, 32]; empty for LoRA. */
    private final float[] stretches;

    Adapter(LowRank weight) {
        a = new Dense(weight.base() instanceof Reordered reordered ? columns(weight.a(), reordered) : weight.a());
        b = new Dense(weight.b());
        rank = weight.rank();
        scaling = weight.scaling();
        boolean half = weight.b().dtype() == DType.F16;
        int count = Math.multiplyExact((weight.out() + Strips.ROWS - 1) / Strips.ROWS, rank * Strips.ROWS);
        halves = new short[half ? count : 0];
        floats = new float[half ? 0 : count];
        float[] rows = weight.stretches();
        stretches = Arrays.copyOf(rows, (rows.length + Strips.ROWS - 1) / Strips.ROWS * Strips.ROWS);
        for (int row = 0; row < weight.out(); row++) {
            for (int r = 0; r < rank; r++) {
                int to = (row / Strips.ROWS * rank + r) * Strips.ROWS + row % Strips.ROWS;
                float value = weight.b().get((long) row * rank + r);
                if (half) {
                    halves[to] = Float.floatToFloat16(value);
                } else {
                    floats[to] = value;
                }
            }
        }
    }

    /** a with its columns in the order of those below it. */
    private static Tensor columns(Tensor a, Reordered below) {
        int[] channels = below.channels();
        int bytes = a.dtype().byteCount();
        MemorySegment data =
                MemorySegment.ofArray(new byte[Math.toIntExact(a.data().byteSize())]);
        for (int r = 0; r < a.shape().dimension(0); r++) {
            for (int i = 0; i < channels.length; i++) {
                long row = (long) r * channels.length;
                MemorySegment.copy(a.data(), (row + channels[i]) * bytes, data, (row + i) * bytes, bytes);
            }
        }
        return new Tensor(a.dtype(), a.shape(), data);
    }

    /** [rank, in]. */
    Dense a() {
        return a;
    }

    /** [out, rank]. */
    Dense b() {
        return b;
    }

    int rank() {
        return rank;
    }

    float scaling() {
        return scaling;
    }

    /**
     * Adds the adapter's part of a strip's rows, and stretches them.
     *
     * @param inner [rank] from {@code innerAt}, {@code scaling * a x}
     * @param sums [32], added to
     */
    void add(int strip, float[] inner, int innerAt, float[] sums) {
        try {
            KERNEL[0].invokeExact(this, strip * rank * Strips.ROWS, inner, innerAt, sums);
        } catch (Throwable e) {
            throw Apart.thrown(e);
        }
        for (int row = 0; row < Strips.ROWS && stretches.length > 0; row++) {
            sums[row] *= stretches[strip * Strips.ROWS + row];
        }
    }

    /** Stretches the rows of all tokens, [tokens, out]. */
    void stretch(int tokens, int out, float[] y) {
        for (int t = 0; t < tokens && stretches.length > 0; t++) {
            for (int row = 0; row < out; row++) {
                y[t * out + row] *= stretches[row];
            }
        }
    }

    static void addStrip(Adapter adapter, int at, float[] inner, int innerAt, float[] sums) {
        short[] halves = adapter.halves;
        float[] floats = adapter.floats;
        for (int row = 0; row < Strips.ROWS; row += COUNT) {
            FloatVector sum = FloatVector.fromArray(FLOATS, sums, row);
            for (int r = 0; r < adapter.rank; r++) {
                int place = at + r * Strips.ROWS + row;
                FloatVector b = floats.length > 0
                        ? FloatVector.fromArray(FLOATS, floats, place)
                        : Lanes.halves(halves, place, 1);
                sum = b.fma(FloatVector.broadcast(FLOATS, inner[innerAt + r]), sum);
            }
            sum.intoArray(sums, row);
        }
    }

    /** One row's product with the base, with the adapter's part added, stretched. */
    float row(int row, float below, float[] inner, int innerAt) {
        int at = row / Strips.ROWS * rank * Strips.ROWS + row % Strips.ROWS;
        float sum = below;
        for (int r = 0; r < rank; r++) {
            int i = at + r * Strips.ROWS;
            sum += inner[innerAt + r] * (halves.length > 0 ? Float.float16ToFloat(halves[i]) : floats[i]);
        }
        return stretches.length > 0 ? sum * stretches[row] : sum;
    }
}
