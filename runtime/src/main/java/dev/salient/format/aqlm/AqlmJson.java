package dev.salient.format.aqlm;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Writes {@code quantization_config}: one shape of codebooks for all linears, and the names of those that have none. */
public final class AqlmJson {
    private final List<String> plain = new ArrayList<>();
    private @Nullable CodebookShape shape;

    public AqlmJson() {
        addPlain("lm_head");
    }

    /** Transformers 4 looks for the weight's name, Transformers 5 for the module's. */
    private void addPlain(String module) {
        plain.add(module);
        plain.add(module + ".weight");
    }

    /**
     * Adds a linear.
     *
     * @param own null where it is plain
     * @throws IllegalArgumentException where its shape differs from another's
     */
    public void add(String module, @Nullable CodebookShape own) {
        if (own == null) {
            addPlain(module);
            return;
        }
        CodebookShape common = shape == null ? own : shape;
        require(
                own.equals(common),
                "%s: got codebooks of %s, want %s as the linears before; --to hf and --to gguf hold its values",
                module,
                own,
                common);
        shape = common;
    }

    /** The configuration; null where no linear has codebooks. */
    public @Nullable ObjectNode find() {
        if (shape == null) {
            return null;
        }
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("quant_method", AqlmLinears.METHOD);
        json.put("num_codebooks", shape.count());
        json.put("nbits_per_codebook", shape.bits());
        json.put("in_group_size", shape.groupSize());
        json.put("out_group_size", 1);
        ArrayNode names = json.putArray(AqlmLinears.PLAIN);
        plain.forEach(names::add);
        return json;
    }
}
