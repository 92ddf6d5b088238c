package dev.salient.format.gptq;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.gptq.GptqConfig.Grid;
import dev.salient.format.hf.HfNames;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Writes {@code quantization_config}: one grid for most linears, a {@code dynamic} pattern for each other one. */
final class QuantizationJson {
    /** Linears that vLLM computes as one, under the name that it then looks for. */
    private static final Map<String, List<Linear>> FUSED = Map.of(
            "self_attn.qkv_proj", List.of(Linear.Q, Linear.K, Linear.V),
            "mlp.gate_up_proj", List.of(Linear.GATE, Linear.UP));

    private QuantizationJson() {}

    static ObjectNode of(FolderSummary summary, boolean symmetric, boolean actOrder, String version) {
        Grid common = summary.commonGrid();
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("quant_method", "gptq");
        json.put("checkpoint_format", version);
        json.put("bits", common.bits());
        json.put("group_size", common.groupSize());
        json.put("desc_act", actOrder);
        json.put("sym", symmetric);
        json.put("lm_head", false);
        json.put("pack_dtype", "int32");
        ObjectNode dynamic = JsonNodeFactory.instance.objectNode();
        for (int block = 0; block < summary.config().blockCount(); block++) {
            addRules(block, summary, common, dynamic);
        }
        if (!dynamic.isEmpty()) {
            json.set("dynamic", dynamic);
        }
        return json;
    }

    private static void addRules(int block, FolderSummary summary, Grid common, ObjectNode dynamic) {
        for (Linear linear : Linear.values()) {
            LinearId id = new LinearId(block, linear);
            Grid grid = summary.grids().get(id);
            if (!summary.describes(common, id, grid)) {
                addRule(HfNames.module(id), grid, dynamic);
            }
        }
        for (String fused : FUSED.keySet().stream().sorted().toList()) {
            List<Linear> parts = Objects.requireNonNull(FUSED.get(fused));
            LinearId first = new LinearId(block, parts.getFirst());
            Grid grid = summary.grids().get(first);
            boolean same = parts.stream()
                    .allMatch(part -> Objects.equals(grid, summary.grids().get(new LinearId(block, part))));
            if (same && !summary.describes(common, first, grid)) {
                addRule("model.layers." + block + "." + fused, grid, dynamic);
            }
        }
    }

    private static void addRule(String module, @Nullable Grid grid, ObjectNode dynamic) {
        String pattern = "^" + module.replace(".", "\\.") + "$";
        if (grid == null) {
            dynamic.putObject("-:" + pattern);
        } else {
            dynamic.putObject("+:" + pattern).put("bits", grid.bits()).put("group_size", grid.groupSize());
        }
    }
}
