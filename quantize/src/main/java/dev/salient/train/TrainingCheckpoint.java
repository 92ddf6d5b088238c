package dev.salient.train;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.format.FormatException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;

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
        TensorState.write(file, metadata, parts(run));
    }

    /**
     * Takes up a run where it was left.
     *
     * @param run before its first step; its parameters and moments are overwritten
     * @throws FormatException where the checkpoint is of another run
     */
    public static void restore(Path file, Pretrainer run, Map<String, String> identity) throws IOException {
        Map<String, String> texts = new LinkedHashMap<>();
        TensorState.read(
                file,
                metadata -> {
                    for (Map.Entry<String, String> entry : identity.entrySet()) {
                        String got = metadata.getOrDefault(entry.getKey(), "none");
                        if (!entry.getValue().equals(got)) {
                            throw new FormatException(
                                    "%s: %s: got %s, want %s: the checkpoint is of another run",
                                    file.getFileName(), entry.getKey(), got, entry.getValue());
                        }
                    }
                    texts.putAll(metadata);
                },
                parts(run),
                run.device());
        int steps = Integer.parseInt(Objects.requireNonNullElse(texts.get("steps"), "0"));
        String curve = Objects.requireNonNullElse(texts.get("curve"), "[]");
        run.resumeAfter(steps, new LossCurve(MAPPER.readValue(curve, POINTS)));
    }

    private static Map<String, Tensor> parts(Pretrainer run) {
        Map<String, Tensor> parts = new LinkedHashMap<>();
        List<Tensor> moments = run.moments();
        for (int i = 0; i < run.parameters().size(); i++) {
            NamedTensor parameter = run.parameters().get(i);
            parts.put(parameter.name(), parameter.tensor());
            parts.put("mean." + parameter.name(), moments.get(2 * i));
            parts.put("square." + parameter.name(), moments.get(2 * i + 1));
        }
        return parts;
    }
}
