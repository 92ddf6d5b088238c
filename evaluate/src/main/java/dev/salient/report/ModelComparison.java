package dev.salient.report;

import static dev.salient.report.Markup.number;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.report.Page.Cell;
import dev.salient.report.Plot.Interval;
import dev.salient.report.Plot.Point;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;

/**
 * Evaluated models beside each other: quality against bits per weight, file size and speed, with the Pareto front, the
 * models that no other beats in both.
 *
 * @param measure what quality is: {@code KL, nats a token} where all have one, else {@code perplexity}
 */
public record ModelComparison(String measure, List<Model> models) {
    /** What must be equal for qualities to compare; a JSON pointer each. */
    private static final List<String> SAME =
            List.of("/text/sha256", "/text/name", "/text/window", "/text/stride", "/text/windows", "/text/tokens");

    /** Other runs that a report shows. */
    private static final int MOST_AROUND = 40;

    public ModelComparison {
        models = List.copyOf(models);
    }

    /**
     * A model's numbers; NaN where not measured.
     *
     * @param quality less is better; {@code low} and {@code high} are its 95 % interval
     */
    public record Model(
            String name, double quality, double low, double high, double bitsPerWeight, double bytes, double speed) {}

    /**
     * Reads evaluations.
     *
     * @param sources folders that hold an {@code evaluation.json}, or such files
     * @throws IllegalArgumentException naming the first source that does not fit
     */
    public static ModelComparison of(List<Path> sources) throws IOException {
        List<JsonNode> evaluations = new ArrayList<>();
        for (Path source : sources) {
            evaluations.add(read(source));
        }
        if (evaluations.isEmpty()) {
            throw new IllegalArgumentException("compare: got no evaluations, want one or more");
        }
        boolean allDiverge =
                evaluations.stream().allMatch(e -> e.at("/divergence/kl/mean").isNumber());
        String quality = allDiverge ? "/divergence/kl" : "/perplexity";
        Set<String> same = new LinkedHashSet<>(SAME);
        same.add(allDiverge ? "/original" : "/perplexity/convention");
        List<String> names = distinctNames(sources, evaluations);
        List<Model> models = new ArrayList<>();
        for (int i = 0; i < evaluations.size(); i++) {
            JsonNode own = evaluations.get(i);
            for (String field : same) {
                requireSame(
                        names, i, field, own.at(field), evaluations.getFirst().at(field));
            }
            models.add(model(names.get(i), own, quality));
        }
        return new ModelComparison(allDiverge ? "KL, nats a token" : "perplexity", models);
    }

    /**
     * A run and those in the folders beside it that were measured as it was.
     *
     * @return of the run alone where there are no others
     * @throws IllegalArgumentException where the run itself was not evaluated
     */
    static ModelComparison around(Path run) throws IOException {
        List<Path> sources = new ArrayList<>(List.of(run));
        Path parent = run.toAbsolutePath().normalize().getParent();
        if (parent != null) {
            try (Stream<Path> folders = Files.list(parent)) {
                folders.filter(other -> Files.isRegularFile(other.resolve("evaluation.json")))
                        .filter(other -> !other.equals(run.toAbsolutePath().normalize()))
                        .sorted()
                        .filter(other -> compares(run, other))
                        .limit(MOST_AROUND)
                        .forEach(sources::add);
            }
        }
        return of(sources);
    }

    private static boolean compares(Path run, Path other) {
        try {
            return of(List.of(run, other)).measure().equals(of(List.of(run)).measure());
        } catch (IllegalArgumentException | IOException e) {
            return false; // measured in another way, or being written
        }
    }

    private static JsonNode read(Path source) throws IOException {
        Path file = Files.isDirectory(source) ? source.resolve("evaluation.json") : source;
        if (!Files.isRegularFile(file)) {
            throw new IllegalArgumentException(
                    "%s: got no evaluation, want evaluation.json: salient evaluate makes it".formatted(source));
        }
        JsonNode json = ReportFolder.read(file);
        JsonNode inner = json.path("evaluations");
        if (inner.isArray() && inner.size() == 1) {
            json = inner.get(0);
        }
        if (!json.at("/perplexity/value").isNumber()
                && !json.at("/divergence/kl/mean").isNumber()) {
            throw new IllegalArgumentException(
                    "%s: got neither perplexity nor KL, want one evaluation with either".formatted(source));
        }
        return json;
    }

    private static void requireSame(List<String> names, int i, String field, JsonNode own, JsonNode first) {
        if (!own.equals(first)) {
            throw new IllegalArgumentException(
                    "%s: %s: got %s, want %s as for %s: the numbers don't compare; evaluate both alike"
                            .formatted(
                                    names.get(i),
                                    field.substring(1).replace('/', '.'),
                                    own.isMissingNode() ? "nothing" : own.asText(),
                                    first.isMissingNode() ? "nothing" : first.asText(),
                                    names.getFirst()));
        }
    }

    private static Model model(String name, JsonNode json, String quality) {
        JsonNode node = json.at(quality);
        double value = numberOr(node.path("mean"), numberOr(node.path("value"), Double.NaN));
        if (Double.isNaN(value)) {
            throw new IllegalArgumentException(
                    "%s: got no perplexity, want one, since not all have a KL divergence".formatted(name));
        }
        return new Model(
                name,
                value,
                numberOr(node.path("low"), value),
                numberOr(node.path("high"), value),
                numberOr(json.path("bitsPerWeight"), Double.NaN),
                numberOr(json.path("weightBytes"), Double.NaN),
                numberOr(json.at("/speed/decodeTokensPerSecond"), Double.NaN));
    }

    private static double numberOr(JsonNode node, double absent) {
        return node.isNumber() ? node.asDouble() : absent;
    }

    /** The models' own names; where two are the same, with the folder before them, and a number where that is the same too. */
    private static List<String> distinctNames(List<Path> sources, List<JsonNode> evaluations) {
        List<String> own =
                evaluations.stream().map(e -> e.path("model").asText("model")).toList();
        Map<String, Integer> counts = new HashMap<>();
        own.forEach(name -> counts.merge(name, 1, Integer::sum));
        Set<String> taken = new HashSet<>();
        List<String> names = new ArrayList<>();
        for (int i = 0; i < own.size(); i++) {
            Path parent = sources.get(i).toAbsolutePath().normalize().getParent();
            String base = counts.getOrDefault(own.get(i), 0) == 1 || parent == null || parent.getFileName() == null
                    ? own.get(i)
                    : parent.getFileName() + "/" + own.get(i);
            String name = base;
            for (int n = 2; !taken.add(name); n++) {
                name = base + " (" + n + ")";
            }
            names.add(name);
        }
        return names;
    }

    /** What quality is set against: a number of a model of which less is better. */
    public enum Cost {
        BITS("bits per weight of the block linears"),
        BYTES("size of the weight files, MB"),
        SPEED("tokens a second");

        private final String label;

        Cost(String label) {
            this.label = label;
        }

        /** The number, as it is shown; NaN where not measured. */
        double shown(Model model) {
            return switch (this) {
                case BITS -> model.bitsPerWeight();
                case BYTES -> model.bytes() / 1e6;
                case SPEED -> model.speed();
            };
        }

        private double cost(Model model) {
            return this == SPEED ? -model.speed() : shown(model);
        }
    }

    /** Models that no other beats: none has both a quality and a cost at least as good, and one of them better. */
    public Set<Model> front(Cost cost) {
        List<Model> measured = measured(cost)
                .sorted(Comparator.comparingDouble(cost::cost).thenComparingDouble(Model::quality))
                .toList();
        Set<Model> front = new LinkedHashSet<>();
        double best = Double.POSITIVE_INFINITY;
        double bestCost = Double.NaN;
        for (Model model : measured) {
            if (model.quality() < best || (model.quality() == best && cost.cost(model) == bestCost)) {
                front.add(model);
                best = model.quality();
                bestCost = cost.cost(model);
            }
        }
        return front;
    }

    private Stream<Model> measured(Cost cost) {
        return models.stream().filter(model -> !Double.isNaN(cost.shown(model)));
    }

    /** The page. */
    public String page() throws IOException {
        return page(Map.of());
    }

    /**
     * The page, and how tuning went.
     *
     * @param runs folders of the same run with other seeds, by the run's name
     */
    public String page(Map<String, List<Path>> runs) throws IOException {
        Page page = new Page("Models compared");
        figures(page);
        TuningCurves.figure(page, runs);
        page.table(
                "All numbers; * marks the Pareto front by bits per weight",
                List.of("model", measure, "95 % interval", "bits per weight", "MB of weights", "tokens a second"),
                models.stream().map(this::row).toList());
        return page.html(models.size() + " models by " + measure);
    }

    /** Quality against every cost that was measured. */
    void figures(Page page) {
        page.paragraph("Down is better. The dashed line is the Pareto front: models that no other beats in both"
                + " numbers. Whiskers are 95 % intervals; where they overlap, the models may be equally good.");
        page.beginFigures();
        for (Cost cost : Cost.values()) {
            if (measured(cost).findAny().isPresent()) {
                figure(page, cost);
            }
        }
        page.endFigures();
    }

    private List<Cell> row(Model model) {
        return List.of(
                Cell.text((front(Cost.BITS).contains(model) ? "* " : "") + model.name()),
                Cell.number(number(model.quality())),
                Cell.number(model.low() < model.high() ? number(model.low()) + " to " + number(model.high()) : ""),
                Cell.number(shown(model.bitsPerWeight())),
                Cell.number(shown(model.bytes() / 1e6)),
                Cell.number(shown(model.speed())));
    }

    private static String shown(double value) {
        return Double.isNaN(value) ? "" : number(value);
    }

    private void figure(Page page, Cost cost) {
        String title = measure + " against " + cost.label;
        Axis across = Axis.around(cost.label, measured(cost).mapToDouble(cost::shown));
        double[] ends = measured(cost)
                .flatMapToDouble(m -> DoubleStream.of(m.low(), m.quality(), m.high()))
                .toArray();
        double least = DoubleStream.of(ends).min().orElse(0);
        double most = DoubleStream.of(ends).max().orElse(0);
        Axis up = least > 0 && most > 20 * least
                ? Axis.logarithmic(measure, DoubleStream.of(ends))
                : Axis.around(measure, DoubleStream.of(ends));
        Plot plot = new Plot(title, across, up);
        Set<Model> front = front(cost);
        plot.steps(
                "Pareto front",
                front.stream().map(m -> new Point(cost.shown(m), m.quality())).toList());
        measured(cost)
                .forEach(m -> plot.mark(
                        m.name(),
                        front.contains(m) ? "class=\"s1\"" : "class=\"s0\"",
                        new Point(cost.shown(m), m.quality()),
                        new Interval(cost.shown(m), m.low(), m.high())));
        page.figure(title, plot.svg(), "Blue: on the front.");
    }
}
