package dev.salient.format.gptq;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.format.FormatException;
import dev.salient.format.hf.HfNames;
import dev.salient.format.hf.HfWeights.LinearReader;
import dev.salient.format.json.JsonObject;
import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A LoRA or DoRA adapter as PEFT writes it: in the folder {@code adapter} beside the weights, or among them. */
public final class PeftAdapter {
    static final String FOLDER = "adapter";
    static final String CONFIG = "adapter_config.json";
    static final String WEIGHTS = "adapter_model.safetensors";

    private final JsonObject config;
    private final TensorStore store;

    private PeftAdapter(JsonObject config, TensorStore store) {
        this.config = config;
        this.store = store;
    }

    /** PEFT's name of a module's matrix, {@code A} or {@code B}. */
    static String tensorName(String module, String matrix) {
        return "base_model.model." + module + ".lora_" + matrix + ".weight";
    }

    /** PEFT's name of a module's magnitudes, which DoRA has. */
    static String magnitudeName(String module) {
        return "base_model.model." + module + ".lora_magnitude_vector";
    }

    /** The folder of a model's adapter; null where it has none. */
    public static @Nullable Path findFolder(Path model) {
        for (Path folder : List.of(model.resolve(FOLDER), model)) {
            if (Files.isRegularFile(folder.resolve(CONFIG))) {
                return folder;
            }
        }
        return null;
    }

    /** The files of an adapter. */
    public static List<Path> files(Path folder) {
        return List.of(folder.resolve(CONFIG), folder.resolve(WEIGHTS));
    }

    /** Opens an adapter. */
    public static PeftAdapter open(Path folder, Arena arena) throws IOException {
        JsonObject config = JsonObject.read(folder.resolve(CONFIG));
        if (!Files.isRegularFile(folder.resolve(WEIGHTS))) {
            throw new FormatException("%s: got no %s beside it", CONFIG, WEIGHTS);
        }
        PeftAdapter adapter =
                new PeftAdapter(config, TensorStore.of(WEIGHTS, SafetensorsFile.open(folder.resolve(WEIGHTS), arena)));
        adapter.expectSupported();
        return adapter;
    }

    private void expectSupported() throws FormatException {
        if (!"LORA".equals(config.findString("peft_type"))) {
            throw config.wrong("peft_type", "\"LORA\"");
        }
        for (String flag : List.of("fan_in_fan_out", "lora_bias")) {
            if (config.isTrue(flag)) {
                throw config.wrong(flag, "false");
            }
        }
        if (config.has("bias") && !"none".equals(config.findString("bias"))) {
            throw config.wrong("bias", "\"none\"");
        }
        JsonNode saved = config.find("modules_to_save");
        if (saved != null && !saved.isEmpty()) {
            throw config.wrong("modules_to_save", "none");
        }
    }

    /** These linears, with the adapter on top of those that it has matrices for. */
    public LinearReader over(LinearReader below) {
        return (id, out, in) -> {
            PackedWeight base = below.read(id, out, in);
            String module = HfNames.module(id);
            return store.has(tensorName(module, "A")) ? adapted(module, base) : base;
        };
    }

    /** Fails where a matrix of the adapter was never read. */
    public void expectAllRead() throws FormatException {
        store.expectAllRead();
    }

    private LowRank adapted(String module, PackedWeight base) throws FormatException {
        StoredTensor a = store.expect(tensorName(module, "A"));
        if (a.shape().rank() != 2 || a.shape().dimension(0) == 0) {
            throw new FormatException("%s: got %s, want [rank, %d]", a.place(), a.shape(), base.in());
        }
        int rank = a.shape().dimension(0);
        Tensor b = store.expect(tensorName(module, "B")).expectReal(base.out(), rank);
        double alpha = forModule("alpha_pattern", module, config.expectNumber("lora_alpha"));
        double divisor = config.isTrue("use_rslora") ? Math.sqrt(rank) : rank;
        Tensor magnitude =
                config.isTrue("use_dora") ? store.expect(magnitudeName(module)).expectReal(base.out()) : null;
        return new LowRank(base, a.expectReal(rank, base.in()), b, (float) (alpha / divisor), magnitude);
    }

    /** The value of the first pattern that ends a module's name, as PEFT matches it. */
    private double forModule(String key, String module, double other) throws FormatException {
        JsonObject patterns = config.findObject(key);
        if (patterns != null) {
            for (String pattern : patterns.keys()) {
                if (ModulePattern.of(patterns, pattern, "(.*\\.)?(" + pattern + ")")
                        .covers(module)) {
                    return patterns.expectNumber(pattern);
                }
            }
        }
        return other;
    }
}
