package dev.salient.format.gptq;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import dev.salient.format.mos.MixtureLinears;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How a GPTQ-format folder says that its linears are packed.
 *
 * @param grid of every linear that no rule is for
 * @param zeroOffset 1 where zero points are stored less 1 ("gptq"), 0 where as they are ("gptq_v2")
 * @param borrows whether zero points that are stored less 1 may be 0, as GPTQModel writes them
 * @param rules in their order; the first that matches a module counts
 */
public record GptqConfig(Grid grid, int zeroOffset, boolean borrows, List<Rule> rules) {
    public static final String V1 = "gptq";
    public static final String V2 = "gptq_v2";
    static final String QUANTIZATION = "quantization_config";

    public GptqConfig {
        rules = List.copyOf(rules);
    }

    /**
     * Bits and group size.
     *
     * @param groupSize -1 for one group per row
     */
    public record Grid(int bits, int groupSize) {
        int groupSizeFor(int in) {
            return groupSize == -1 ? in : groupSize;
        }

        private Grid with(JsonObject json) throws FormatException {
            int newBits = json.intOr("bits", bits);
            if (newBits != 2 && newBits != 3 && newBits != 4 && newBits != 8) {
                throw json.wrong("bits", "2, 3, 4 or 8");
            }
            int newGroupSize = json.intOr("group_size", groupSize);
            if (newGroupSize < -1 || newGroupSize == 0) {
                throw json.wrong("group_size", "-1 or more than 0");
            }
            return new Grid(newBits, newGroupSize);
        }
    }

    /**
     * What a pattern over module names changes.
     *
     * @param grid null where these modules are not quantized
     */
    record Rule(ModulePattern pattern, @Nullable Grid grid) {}

    /** The grid of a module; null where a rule leaves it unquantized. */
    @Nullable
    Grid gridOf(String module) throws FormatException {
        for (Rule rule : rules) {
            if (rule.pattern.begins(module)) {
                return rule.grid;
            }
        }
        return grid;
    }

    /** What a folder's {@code config.json}, or an older {@code quantize_config.json}, says; null where neither does. */
    public static @Nullable GptqConfig find(Path folder, JsonObject config) throws IOException {
        JsonObject quantization = config.findObject(QUANTIZATION);
        if (quantization != null) {
            String method = quantization.findString("quant_method");
            boolean own = BlockLinears.METHOD.equals(method) || MixtureLinears.METHOD.equals(method);
            if (own && !quantization.has("bits")) {
                return null;
            }
            if (!"gptq".equals(method) && !own) {
                throw quantization.wrong(
                        "quant_method", "\"gptq\", \"awq\" or \"aqlm\", the quantized folders that are read");
            }
            return read(quantization);
        }
        Path older = folder.resolve("quantize_config.json");
        return Files.isRegularFile(older) ? read(JsonObject.read(older)) : null;
    }

    static GptqConfig read(JsonObject json) throws FormatException {
        String key = json.has("checkpoint_format") ? "checkpoint_format" : "format";
        String format = json.findString(key);
        if (format != null && !format.equals(V1) && !format.equals(V2)) {
            throw json.wrong(key, "\"gptq\" or \"gptq_v2\"");
        }
        Grid grid = new Grid(json.expectInt("bits"), json.expectInt("group_size")).with(json);
        List<Rule> rules = new ArrayList<>();
        JsonObject dynamic = json.findObject("dynamic");
        if (dynamic != null) {
            for (String pattern : dynamic.keys()) {
                rules.add(rule(dynamic, pattern, grid));
            }
        }
        JsonNode maker = json.toNode().at("/meta/quantizer");
        boolean borrows = maker.toString().contains("gptqmodel:");
        return new GptqConfig(grid, V2.equals(format) ? 0 : 1, borrows, rules);
    }

    /** "-:regex" leaves modules alone; "+:regex" or a plain regex changes some of their settings. */
    private static Rule rule(JsonObject dynamic, String key, Grid grid) throws FormatException {
        boolean left = key.startsWith("-:");
        String regex = left || key.startsWith("+:") ? key.substring(2) : key;
        return new Rule(ModulePattern.of(dynamic, key, regex), left ? null : grid.with(dynamic.expectObject(key)));
    }
}
