package dev.salient.format.gptq;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.hf.DenseMatrix;
import dev.salient.format.hf.HfNames;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.packed.LowRank;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/** Puts the adapters of a model's linears together into one PEFT adapter. */
public final class AdapterFiles {
    private final ModelConfig config;
    private final Map<String, Payload> tensors = new LinkedHashMap<>();
    /** Rank and alpha by module. */
    private final Map<LinearId, Size> sizes = new LinkedHashMap<>();

    private int magnitudes;

    private record Size(int rank, double alpha) {}

    /** Those of no linear yet. */
    AdapterFiles(ModelConfig config) {
        this.config = config;
    }

    /** Those of a whole model, in the types in which they are stored. */
    public static AdapterFiles of(ModelWeights weights) {
        AdapterFiles files = new AdapterFiles(weights.config());
        for (int b = 0; b < weights.blocks().size(); b++) {
            for (Linear linear : Linear.values()) {
                if (weights.blocks().get(b).linear(linear) instanceof LowRank adapted) {
                    LinearId id = new LinearId(b, linear);
                    String module = HfNames.module(id);
                    files.tensors.put(PeftAdapter.tensorName(module, "A"), DenseMatrix.asStored(adapted.a()));
                    files.tensors.put(PeftAdapter.tensorName(module, "B"), DenseMatrix.asStored(adapted.b()));
                    if (adapted.magnitude() != null) {
                        files.tensors.put(PeftAdapter.magnitudeName(module), DenseMatrix.asStored(adapted.magnitude()));
                        files.magnitudes++;
                    }
                    files.sizes.put(id, new Size(adapted.rank(), alpha(adapted.scaling(), adapted.rank())));
                }
            }
        }
        require(
                files.magnitudes == 0 || files.magnitudes == files.sizes.size(),
                "adapters: got magnitudes (DoRA) in %d of %d, want all or none: an adapter's folder has one kind; --merge folds them in",
                files.magnitudes,
                files.sizes.size());
        return files;
    }

    /** Whether no linear has an adapter. */
    public boolean isEmpty() {
        return tensors.isEmpty();
    }

    /** Writes the folder {@code adapter} of a model's folder; nothing where there are none. */
    public void write(Path model) throws IOException {
        if (tensors.isEmpty()) {
            return;
        }
        Path target = Files.createDirectories(model.resolve(PeftAdapter.FOLDER));
        SafetensorsWriter.write(target.resolve(PeftAdapter.WEIGHTS), QuantizedFolder.METADATA, tensors);
        JsonFiles.write(target.resolve(PeftAdapter.CONFIG), config());
    }

    /** Adds those that a block's part file holds; it must stay open until they are written. */
    void add(int block, SafetensorsFile part) throws IOException {
        for (Map.Entry<String, StoredTensor> tensor : part.tensors().entrySet()) {
            StoredTensor stored = tensor.getValue();
            tensors.put(tensor.getKey(), Payload.of(stored.type(), stored.shape(), stored.data()));
        }
        for (Linear linear : Linear.values()) {
            LinearId id = new LinearId(block, linear);
            StoredTensor a = part.tensors().get(PeftAdapter.tensorName(HfNames.module(id), "A"));
            if (part.tensors().containsKey(PeftAdapter.magnitudeName(HfNames.module(id)))) {
                magnitudes++;
            }
            if (a != null) {
                int rank = a.shape().dimension(0);
                sizes.put(id, new Size(rank, alpha(AdapterScalings.scaling(part, HfNames.module(id)), rank)));
            }
        }
    }

    /** The alpha that gives this scaling back; whole where a whole one does. */
    private static double alpha(float scaling, int rank) {
        double alpha = (double) scaling * rank;
        return (float) (Math.rint(alpha) / rank) == scaling ? Math.rint(alpha) : alpha;
    }

    private ObjectNode config() {
        Map<Size, Integer> counts = new LinkedHashMap<>();
        sizes.values().forEach(size -> counts.merge(size, 1, Integer::sum));
        Size common =
                Collections.max(counts.entrySet(), Map.Entry.comparingByValue()).getKey();
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("peft_type", "LORA");
        json.put("task_type", "CAUSAL_LM");
        json.putNull("base_model_name_or_path");
        json.put("inference_mode", true);
        json.put("r", common.rank);
        putNumber(json, "lora_alpha", common.alpha);
        json.put("lora_dropout", 0.0);
        json.put("bias", "none");
        json.put("fan_in_fan_out", false);
        json.put("use_dora", magnitudes > 0);
        json.put("use_rslora", false);
        json.putNull("modules_to_save");
        addTargets(json);
        ObjectNode ranks = json.putObject("rank_pattern");
        ObjectNode alphas = json.putObject("alpha_pattern");
        sizes.forEach((id, size) -> {
            if (size.rank != common.rank) {
                ranks.put(HfNames.module(id), size.rank);
            }
            if (size.alpha != common.alpha) {
                putNumber(alphas, HfNames.module(id), size.alpha);
            }
        });
        return json;
    }

    private static void putNumber(ObjectNode json, String key, double value) {
        if (value == Math.rint(value)) {
            json.put(key, (long) value);
        } else {
            json.put(key, value);
        }
    }

    /** Names of projections where every block has the adapter, otherwise the modules one by one. */
    private void addTargets(ObjectNode json) {
        Map<Linear, Integer> blocks = new TreeMap<>();
        sizes.keySet().forEach(id -> blocks.merge(id.linear(), 1, Integer::sum));
        var targets = json.putArray("target_modules");
        for (Linear linear : blocks.keySet()) {
            if (Objects.equals(blocks.get(linear), config.blockCount())) {
                targets.add(HfNames.projection(linear));
            } else {
                sizes.keySet().stream()
                        .filter(id -> id.linear() == linear)
                        .forEach(id -> targets.add(HfNames.module(id)));
            }
        }
    }
}
