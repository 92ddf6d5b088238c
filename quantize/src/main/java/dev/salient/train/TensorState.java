package dev.salient.train;

import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.tensor.Shape;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/** Tensors of a run that is to be gone on with, in fp32, with a few texts: one safetensors file. */
public final class TensorState {
    private TensorState() {}

    /** Writes a state; an earlier one is replaced when the new one is whole. One tensor at a time is copied. */
    public static void write(Path file, Map<String, String> metadata, Map<String, Tensor> tensors) throws IOException {
        Map<String, Payload> payloads = new LinkedHashMap<>();
        tensors.forEach((name, tensor) ->
                payloads.put(name, new Payload(StoredType.F32, Shape.of(shape(tensor)), channel -> {
                    try (TorchScope scope = new TorchScope()) {
                        SafetensorsWriter.write(
                                channel,
                                TorchDevice.memory(tensor.detach().cpu().contiguous()));
                    }
                })));
        SafetensorsWriter.write(file, metadata, payloads);
    }

    /** Looks at a state's texts before its tensors are read. */
    @FunctionalInterface
    public interface Texts {
        void accept(Map<String, String> metadata) throws IOException;
    }

    /**
     * Reads a state.
     *
     * @param texts told the file's texts first; it may refuse them
     * @param into overwritten, each from the tensor of its name; the file must hold these and no others
     */
    public static void read(Path file, Texts texts, Map<String, Tensor> into, TorchDevice device) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            SafetensorsFile stored = SafetensorsFile.open(file, arena);
            texts.accept(stored.metadata());
            TensorStore store = TensorStore.of(String.valueOf(file.getFileName()), stored);
            for (Map.Entry<String, Tensor> part : into.entrySet()) {
                try (TorchScope scope = new TorchScope()) {
                    Tensor plain = part.getValue().detach();
                    plain.copy_(device.values(store.expect(part.getKey()).expectReal(shape(plain))));
                }
            }
            store.expectAllRead();
        }
    }

    private static int[] shape(Tensor tensor) {
        int[] shape = new int[Math.toIntExact(tensor.dim())];
        for (int axis = 0; axis < shape.length; axis++) {
            shape[axis] = Math.toIntExact(tensor.size(axis));
        }
        return shape;
    }
}
