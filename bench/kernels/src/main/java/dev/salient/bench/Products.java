package dev.salient.bench;

import dev.salient.kernel.Activations;
import dev.salient.kernel.Kernels;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.Dense;
import dev.salient.packed.GroupFormat;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaledGroups;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * A linear layer about as large as those of SmolLM2, [1536, 768], on one thread: time for each
 * weight and token.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Benchmark)
@Fork(
        value = 1,
        jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "-XX:+UseSerialGC", "-Xmx1g"})
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class Products {
    private static final int OUT = 1536;
    private static final int IN = 768;
    private static final int MANY = 256;

    /** How the weight is stored. */
    public enum Grid {
        Q1_0,
        TQ2_0,
        Q2_0,
        Q4_0,
        Q4_1,
        Q5_0,
        Q5_1,
        Q8_0,
        F16,
        BF16,
        F32,
        BOOKS_1X8,
        BOOKS_2X8,
        BOOKS_2X8_G16,
        BOOKS_1X16
    }

    @Param
    private Grid grid = Grid.Q2_0;

    @Param
    private Activations activations = Activations.F32;

    private Kernels kernels;
    private PackedWeight weight;
    private float[] x;
    private float[] y;

    /** Random codes; every scale is 1/64. */
    @Setup
    public void open() {
        Random random = new Random(1);
        kernels = Kernels.best(1, activations);
        weight = switch (grid) {
            case F16 -> dense(DType.F16, random);
            case BF16 -> dense(DType.BF16, random);
            case F32 -> dense(DType.F32, random);
            case BOOKS_1X8 -> codebooks(Shape.of(1, 256, 8), random);
            case BOOKS_2X8 -> codebooks(Shape.of(2, 256, 8), random);
            case BOOKS_2X8_G16 -> codebooks(Shape.of(2, 256, 16), random);
            case BOOKS_1X16 -> codebooks(Shape.of(1, 65536, 8), random);
            default -> groups(GroupFormat.valueOf(grid.name()), random);
        };
        x = new float[MANY * IN];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian();
        }
        y = new float[MANY * OUT];
    }

    private static PackedWeight dense(DType type, Random random) {
        MemorySegment data = MemorySegment.ofArray(new byte[OUT * IN * type.byteCount()]);
        for (int i = 0; i < OUT * IN; i++) {
            type.set(data, i, (float) random.nextGaussian());
        }
        return new Dense(new Tensor(type, Shape.of(OUT, IN), data));
    }

    private static PackedWeight codebooks(Shape shape, Random random) {
        int codes = OUT * (IN / shape.dimension(2)) * shape.dimension(0);
        float[] vectors = new float[(int) shape.elementCount()];
        float[] scales = new float[OUT];
        for (int i = 0; i < vectors.length; i++) {
            vectors[i] = (float) random.nextGaussian();
        }
        Arrays.fill(scales, 1);
        return AdditiveCodebook.of(
                shape, random.ints(codes, 0, shape.dimension(1)).toArray(), vectors, scales);
    }

    private static PackedWeight groups(GroupFormat format, Random random) {
        byte[] bytes = new byte[OUT * IN / format.groupSize() * format.byteCount()];
        random.nextBytes(bytes);
        MemorySegment data = MemorySegment.ofArray(bytes);
        for (int at = 0; at < bytes.length; at += format.byteCount()) {
            data.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + format.scaleAt(), Float.floatToFloat16(1f / 64));
            if (format == GroupFormat.Q4_1 || format == GroupFormat.Q5_1) {
                data.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 2, Float.floatToFloat16(-1f / 8));
            }
        }
        return new ScaledGroups(OUT, IN, format, data);
    }

    /** Writing. */
    @Benchmark
    @OperationsPerInvocation(OUT * IN)
    public float[] tokens001() {
        kernels.multiply(weight, 1, x, y);
        return y;
    }

    /** Writing eight texts at once. */
    @Benchmark
    @OperationsPerInvocation(8 * OUT * IN)
    public float[] tokens008() {
        kernels.multiply(weight, 8, x, y);
        return y;
    }

    /** Reading a prompt. */
    @Benchmark
    @OperationsPerInvocation(MANY * OUT * IN)
    public float[] tokens256() {
        kernels.multiply(weight, MANY, x, y);
        return y;
    }

    @TearDown
    public void close() {
        kernels.close();
    }
}
