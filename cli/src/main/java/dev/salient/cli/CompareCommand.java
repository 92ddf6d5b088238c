package dev.salient.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.json.JsonFiles;
import dev.salient.report.ModelComparison;
import dev.salient.report.ModelComparison.Cost;
import dev.salient.report.ModelComparison.Model;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command {@code compare}: evaluated models beside each other. */
@CommandLine.Command(
        name = "compare",
        header = "Set evaluated models beside each other: quality against bits, size and speed.",
        description = "Models compare where they were evaluated alike: same text, windows and convention, and for KL"
                + " the same original. * marks the Pareto front: models that no other beats in both numbers.")
final class CompareCommand implements Command {
    @Parameters(
            arity = "1..*",
            paramLabel = "RUN",
            description = "Folders that hold an evaluation.json, or such files: salient evaluate makes them.")
    private List<Path> runs = List.of();

    @Option(names = "--out", paramLabel = "FILE", description = "Also write an HTML page with plots.")
    private @Nullable Path out;

    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) throws IOException {
        ModelComparison comparison = ModelComparison.of(runs);
        int width = Math.max(
                5,
                comparison.models().stream()
                        .mapToInt(m -> m.name().length())
                        .max()
                        .orElse(5));
        Set<Model> front = comparison.front(Cost.BITS);
        console.line(
                "  %s  %18s  %18s  %8s  %10s  %8s",
                pad("model", width), comparison.measure(), "95 % interval", "bits", "MB", "tokens/s");
        for (Model model : comparison.models()) {
            console.line(
                    "%s %s  %18s  %18s  %8s  %10s  %8s",
                    front.contains(model) ? "*" : " ",
                    pad(model.name(), width),
                    shown("%.4f", model.quality()),
                    model.low() < model.high() ? shown("%.4f", model.low()) + " - " + shown("%.4f", model.high()) : "",
                    shown("%.3f", model.bitsPerWeight()),
                    shown("%.1f", model.bytes() / 1e6),
                    shown("%.1f", model.speed()));
        }
        if (out != null) {
            JsonFiles.writeText(out, comparison.page());
            console.line("page: %s", out);
        }
        console.result(json(comparison));
    }

    private static String pad(String name, int width) {
        return name + " ".repeat(width - name.length());
    }

    private static String shown(String format, double value) {
        return Double.isNaN(value) ? "" : String.format(Locale.ROOT, format, value);
    }

    private static ObjectNode json(ModelComparison comparison) {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("measure", comparison.measure());
        ArrayNode models = json.putArray("models");
        for (Model model : comparison.models()) {
            ObjectNode own = models.addObject()
                    .put("name", model.name())
                    .put("quality", model.quality())
                    .put("low", model.low())
                    .put("high", model.high());
            put(own, "bitsPerWeight", model.bitsPerWeight());
            put(own, "weightBytes", model.bytes());
            put(own, "tokensPerSecond", model.speed());
            ArrayNode fronts = own.putArray("onFrontBy");
            for (Cost cost : Cost.values()) {
                if (comparison.front(cost).contains(model)) {
                    fronts.add(cost.name().toLowerCase(Locale.ROOT));
                }
            }
        }
        return json;
    }

    private static void put(ObjectNode json, String field, double value) {
        if (!Double.isNaN(value)) {
            json.put(field, value);
        }
    }
}
