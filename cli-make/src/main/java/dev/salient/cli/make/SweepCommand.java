package dev.salient.cli.make;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.cli.Command;
import dev.salient.cli.CommonOptions;
import dev.salient.cli.Console;
import dev.salient.cli.Steps;
import dev.salient.format.json.JsonFiles;
import dev.salient.report.ModelComparison;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.DoubleStream;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command {@code sweep}. */
@CommandLine.Command(
        name = "sweep",
        header = "Make and measure many models by a recipe, and set them beside each other.",
        description = {
            "A recipe names a model, texts, seeds and runs, each with options of quantize and, if wanted, of tune.",
            "Given again, the command goes on where it was. In the end OUT/sweep.html shows all models, and the table takes"
                    + " the seeds of a run together."
        })
final class SweepCommand implements Command {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Where the sweep keeps how each model was made. */
    private static final String MADE = ".sweep";

    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Parameters(index = "0", paramLabel = "RECIPE", description = "A JSON file; see docs/sweeps.md.")
    private Path recipe = Path.of("");

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "The folder for all models.")
    private Path out = Path.of("");

    @Option(
            names = "--only",
            paramLabel = "NAME",
            split = ",",
            description = "Makes these runs, and what they start from. The table shows all that are measured so far.")
    private List<String> only = List.of();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) throws Exception {
        SweepRecipe read = SweepRecipe.read(recipe);
        Path base = Objects.requireNonNull(recipe.toAbsolutePath().getParent());
        out = out.toAbsolutePath(); // a run in a relative folder would be taken for ORG/NAME, a hub's model
        Set<String> wanted = read.folders(only);
        List<SweepRecipe.Model> models = read.models(base, out).stream()
                .filter(model -> wanted.contains(model.folder()) || isMeasured(model))
                .toList();
        for (Path file : read.files(base)) { // before the first hour, not after it
            require(Files.exists(file), "%s: got no such file, which the recipe names", file);
        }
        for (SweepRecipe.Model model : models) {
            Steps.check(model.make());
            Steps.check(read.evaluation(base, out.resolve(model.folder())));
        }
        Files.createDirectories(out.resolve(MADE));
        int done = 0;
        for (SweepRecipe.Model model : models) {
            done++;
            Path folder = out.resolve(model.folder());
            settle(model, read.evaluation(base, folder));
            if (isMeasured(model)) {
                continue;
            }
            console.note("%d of %d: %s", done, models.size(), model.folder());
            if (!Files.exists(folder.resolve("report.json"))) {
                List<String> make = new ArrayList<>(model.make());
                if (Files.exists(folder)) {
                    make.add("--resume");
                }
                Steps.run(console, make);
            }
            Steps.run(console, read.evaluation(base, folder));
        }
        conclude(console, models);
    }

    private boolean isMeasured(SweepRecipe.Model model) {
        return Files.exists(out.resolve(model.folder()).resolve("evaluation.json"));
    }

    /**
     * Stores how a model is made and measured, or compares it with how that was done before.
     *
     * @throws IllegalArgumentException where a model of this name was made in another way
     */
    private void settle(SweepRecipe.Model model, List<String> evaluation) throws IOException {
        Path file = out.resolve(MADE).resolve(model.folder() + ".json");
        ObjectNode json = JSON.createObjectNode();
        model.make().forEach(json.putArray("make")::add);
        evaluation.forEach(json.putArray("evaluate")::add);
        if (!Files.exists(file)) {
            JsonFiles.write(file, json);
            return;
        }
        require(
                JSON.readTree(Files.readAllBytes(file)).equals(json),
                "%s: got a model that was made or measured with other options: give the run another name, or delete %s and %s",
                out.resolve(model.folder()),
                out.resolve(model.folder()),
                file);
    }

    private void conclude(Console console, List<SweepRecipe.Model> models) throws IOException {
        Map<String, List<JsonNode>> groups = new LinkedHashMap<>();
        Map<String, List<Path>> folders = new LinkedHashMap<>();
        for (SweepRecipe.Model model : models) {
            Path folder = out.resolve(model.folder());
            folders.computeIfAbsent(model.group(), name -> new ArrayList<>()).add(folder);
            JsonNode evaluation = JSON.readTree(Files.readAllBytes(folder.resolve("evaluation.json")));
            groups.computeIfAbsent(model.group(), name -> new ArrayList<>()).add(evaluation);
        }
        ObjectNode json = JSON.createObjectNode();
        ArrayNode rows = json.putArray("runs");
        int width = groups.keySet().stream().mapToInt(String::length).max().orElse(3);
        console.line(
                "%n%s  seeds    bits            perplexity                    KL",
                "run" + " ".repeat(Math.max(0, width - 3)));
        groups.forEach((name, evaluations) -> {
            ObjectNode row = rows.addObject().put("name", name).put("seeds", evaluations.size());
            row.put(
                    "bitsPerWeight",
                    evaluations.getFirst().path("bitsPerWeight").asDouble());
            String perplexity = summary(row, "perplexity", evaluations, "/perplexity/value", "%.2f");
            String kl = summary(row, "kl", evaluations, "/divergence/kl/mean", "%.4f");
            console.line(
                    "%s  %5d  %6.3f  %20s  %20s",
                    name + " ".repeat(Math.max(0, Math.max(width, 3) - name.length())),
                    evaluations.size(),
                    row.path("bitsPerWeight").asDouble(),
                    perplexity,
                    kl);
        });
        JsonFiles.write(out.resolve("sweep.json"), json);
        Path page = out.resolve("sweep.html");
        JsonFiles.writeText(
                page,
                ModelComparison.of(
                                folders.values().stream().flatMap(List::stream).toList())
                        .page(folders));
        console.line("page: %s", page);
        console.result(json);
    }

    /** Mean and, of several seeds, standard deviation of a number; put into the row too. */
    private static String summary(
            ObjectNode row, String name, List<JsonNode> evaluations, String pointer, String format) {
        double[] values = evaluations.stream()
                .mapToDouble(e -> e.at(pointer).asDouble(Double.NaN))
                .toArray();
        double mean = DoubleStream.of(values).average().orElse(Double.NaN);
        double squares = DoubleStream.of(values)
                .map(value -> (value - mean) * (value - mean))
                .sum();
        double deviation = values.length == 1 ? Double.NaN : Math.sqrt(squares / (values.length - 1));
        ObjectNode own = row.putObject(name).put("mean", mean);
        DoubleStream.of(values).forEach(own.putArray("values")::add);
        String shown = String.format(java.util.Locale.ROOT, format, mean);
        if (Double.isNaN(deviation)) {
            return shown;
        }
        own.put("deviation", deviation);
        return shown + " +- " + String.format(java.util.Locale.ROOT, format, deviation);
    }
}
