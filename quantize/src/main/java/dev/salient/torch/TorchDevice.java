package dev.salient.torch;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URL;
import java.util.Locale;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Where tensors live and are computed on; every tensor of a run is made by its device. */
public final class TorchDevice {
    private final Device device;
    private final String name;

    private TorchDevice(String name) {
        this.name = name;
        this.device = new Device(name);
    }

    /**
     * The device of that name.
     *
     * @param name {@code cpu}, {@code cuda} or {@code cuda:N}
     * @throws IllegalArgumentException where libtorch has no such device here
     */
    public static TorchDevice of(String name) {
        require(name.matches("cpu|cuda(:\\d+)?"), "device: got %s, want cpu, cuda or cuda:N", name);
        require(
                name.equals("cpu") || torch.cuda_is_available(),
                "device %s: libtorch finds no CUDA here; start with SALIENT_CUDA=1 on a machine with an NVIDIA GPU and CUDA's libraries (docs/gpu.md), or use cpu",
                name);
        if (!name.equals("cpu")) {
            unpackLinearAlgebra();
        }
        if (name.startsWith("cuda:")) {
            int devices = torch.cuda_device_count();
            require(
                    name.length() < 8 && Integer.parseInt(name.substring(5)) < devices,
                    "device %s: got %d of them here, want cuda:0 to cuda:%d",
                    name,
                    devices,
                    devices - 1);
        }
        return new TorchDevice(name);
    }

    /** libtorch opens this library by its name when it first decomposes a matrix on a GPU, from the folder where its others lie. */
    private static void unpackLinearAlgebra() {
        String folder = Loader.getPlatform() + Loader.loadProperties().getProperty("platform.extension", "");
        try {
            URL library =
                    Loader.findResource(org.bytedeco.pytorch.presets.torch.class, folder + "/libtorch_cuda_linalg.so");
            if (library != null) {
                Loader.cacheResource(library);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public boolean isCpu() {
        return name.equals("cpu");
    }

    @Override
    public String toString() {
        return name;
    }

    /** How products of fp32 matrices may round what goes into them; names and meaning are PyTorch's. */
    public enum Precision {
        /** As fp32: 23 bits of mantissa. */
        HIGHEST,
        /** As TF32 where the device has it, as NVIDIA's do from Ampere on: 10 bits. */
        HIGH,
        /** As bf16 where the device computes with it: 7 bits. */
        MEDIUM;

        /** The name as options and manifests write it. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Sets the threads that libtorch computes with and how its products round, for the whole process. */
    public static void use(int threads, Precision precision) {
        require(threads > 0, "threads: got %d, want 1 or more", threads);
        torch.set_num_threads(threads);
        openblas.blas_set_num_threads(threads); // it has threads of its own, as many as there are cores
        torch.globalContext().setFloat32MatmulPrecision(precision.label());
    }

    /** A tensor over a copy of these numbers. */
    public Tensor floats(float[] values, long... shape) {
        return copyOf(MemorySegment.ofArray(values), ScalarType.Float, shape);
    }

    /** A tensor over a copy of these floats. */
    public Tensor floats(MemorySegment values, long... shape) {
        return copyOf(values, ScalarType.Float, shape);
    }

    /** A tensor of token ids. */
    public Tensor longs(int[] values, long... shape) {
        long[] wide = new long[values.length];
        for (int i = 0; i < wide.length; i++) {
            wide[i] = values[i];
        }
        return copyOf(MemorySegment.ofArray(wide), ScalarType.Long, shape);
    }

    public Tensor zeros(long... shape) {
        return torch.zeros(shape).to(device, ScalarType.Float);
    }

    /** The values of a stored weight, [out, in], as the packed runtime computes on them. */
    public Tensor exactValues(PackedWeight weight) {
        return floats(decode(weight), weight.out(), weight.in());
    }

    /** The values of a stored weight, [out, in], rounded to fp16 as everything is that we write unquantized. */
    public Tensor halfPrecisionValues(PackedWeight weight) {
        float[] values = decode(weight);
        for (int i = 0; i < values.length; i++) {
            values[i] = Float.float16ToFloat(Float.floatToFloat16(values[i]));
        }
        return floats(values, weight.out(), weight.in());
    }

    private static float[] decode(PackedWeight weight) {
        float[] values = new float[Math.multiplyExact(weight.out(), weight.in())];
        IntStream.range(0, weight.out()).parallel().forEach(row -> weight.decodeRow(row, values, row * weight.in()));
        return values;
    }

    /** The numbers of a stored tensor, fp32. */
    public Tensor values(dev.salient.tensor.Tensor stored) {
        long[] shape = stored.shape().dimensions().stream()
                .mapToLong(Integer::longValue)
                .toArray();
        return floats(stored.toFloats(), shape);
    }

    private Tensor copyOf(MemorySegment values, ScalarType type, long... shape) {
        Tensor tensor = torch.empty(shape, new TensorOptions(type), null);
        long bytes = tensor.numel() * tensor.element_size();
        require(bytes == values.byteSize(), "tensor: got %d bytes, want %d", values.byteSize(), bytes);
        memory(tensor).copyFrom(values);
        return isCpu() ? tensor : tensor.to(device, type);
    }

    /** The memory of a contiguous tensor on the CPU; valid while the tensor lives. */
    @SuppressWarnings("restricted") // the one place where native memory becomes a segment
    public static MemorySegment memory(Tensor tensor) {
        require(tensor.is_contiguous(), "tensor: got strides, want it contiguous");
        long bytes = tensor.numel() * tensor.element_size();
        return MemorySegment.ofAddress(tensor.data_ptr().address()).reinterpret(bytes);
    }

    /** A copy of a tensor's numbers, row-major. */
    public static float[] toFloats(Tensor tensor) {
        try (TorchScope scope = new TorchScope()) {
            Tensor flat = tensor.detach().cpu().to(ScalarType.Float).contiguous();
            return memory(flat).toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    /** A copy of a tensor as the file formats store it. */
    public static dev.salient.tensor.Tensor stored(Tensor tensor, DType dtype) {
        float[] values = toFloats(tensor);
        int[] shape = new int[Math.toIntExact(tensor.dim())];
        for (int axis = 0; axis < shape.length; axis++) {
            shape[axis] = Math.toIntExact(tensor.size(axis));
        }
        MemorySegment data = MemorySegment.ofArray(new byte[values.length * dtype.byteCount()]);
        for (int i = 0; i < values.length; i++) {
            dtype.set(data, i, values[i]);
        }
        return new dev.salient.tensor.Tensor(dtype, dev.salient.tensor.Shape.of(shape), data);
    }
}
