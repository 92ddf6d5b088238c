package dev.salient.train;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.format.FormatException;
import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.tensor.DType;
import dev.salient.tensor.Tensor;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** A training run on disk: parameters, the optimizer's moments, steps done and losses, in one safetensors file. */
public final class TrainingCheckpoint {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final TypeReference<List<LossCurve.Point>> POINTS = new TypeReference<>() {};

    private TrainingCheckpoint() {}

    /**
     * Writes a run; an earlier checkpoint is replaced when the new one is whole.
     *
     * @param identity what the run is a run of; another identity is refused on resume
     */
    public static void write(Path file, Pretrainer run, Map<String, String> identity) throws IOException {
        Map<String, String> metadata = new LinkedHashMap<>(identity);
        metadata.put("steps", String.valueOf(run.stepsDone()));
        metadata.put("curve", MAPPER.writeValueAsString(run.curve().points()));
        Map<String, Payload> tensors = new LinkedHashMap<>();
        for (Map.Entry<String, org.bytedeco.pytorch.Tensor> part : parts(run).entrySet()) {
            Tensor stored = TorchDevice.stored(part.getValue(), DType.F32);
            tensors.put(part.getKey(), Payload.of(StoredType.F32, stored.shape(), stored.data()));
        }
        SafetensorsWriter.write(file, metadata, tensors);
    }

    /**
     * Takes up a run where it was left.
     *
     * @param run before its first step; its parameters and moments are overwritten
     * @throws FormatException where the checkpoint is of another run
     */
    public static void restore(Path file, Pretrainer run, Map<String, String> identity) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            SafetensorsFile stored = SafetensorsFile.open(file, arena);
            for (Map.Entry<String, String> entry : identity.entrySet()) {
                String got = stored.metadata().getOrDefault(entry.getKey(), "none");
                if (!entry.getValue().equals(got)) {
                    throw new FormatException(
                            "%s: %s: got %s, want %s: the checkpoint is of another run",
                            file.getFileName(), entry.getKey(), got, entry.getValue());
                }
            }
            TensorStore store = TensorStore.of(String.valueOf(file.getFileName()), stored);
            for (Map.Entry<String, org.bytedeco.pytorch.Tensor> part :
                    parts(run).entrySet()) {
                try (TorchScope scope = new TorchScope()) {
                    org.bytedeco.pytorch.Tensor into = part.getValue().detach();
                    int[] shape = new int[Math.toIntExact(into.dim())];
                    for (int axis = 0; axis < shape.length; axis++) {
                        shape[axis] = Math.toIntExact(into.size(axis));
                    }
                    Tensor values = store.expect(part.getKey()).expectReal(shape);
                    into.copy_(run.device().values(values));
                }
            }
            store.expectAllRead();
            int steps = Integer.parseInt(
                    Objects.requireNonNullElse(stored.metadata().get("steps"), "0"));
            String curve = Objects.requireNonNullElse(stored.metadata().get("curve"), "[]");
            run.resumeAfter(steps, new LossCurve(MAPPER.readValue(curve, POINTS)));
        }
    }

    private static Map<String, org.bytedeco.pytorch.Tensor> parts(Pretrainer run) {
        Map<String, org.bytedeco.pytorch.Tensor> parts = new LinkedHashMap<>();
        List<org.bytedeco.pytorch.Tensor> moments = run.moments();
        for (int i = 0; i < run.parameters().size(); i++) {
            NamedTensor parameter = run.parameters().get(i);
            parts.put(parameter.name(), parameter.tensor());
            parts.put("mean." + parameter.name(), moments.get(2 * i));
            parts.put("square." + parameter.name(), moments.get(2 * i + 1));
        }
        return parts;
    }
}
