package dev.salient.report;

import static dev.salient.report.Markup.number;
import static dev.salient.report.Markup.percent;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.report.Page.Cell;
import dev.salient.report.Plot.Point;
import java.util.ArrayList;
import java.util.List;

/** The parts of a page that show an evaluation, from {@code evaluation.json}; what was not measured is not shown. */
final class QualitySections {
    private final JsonNode evaluation;
    private final Page page;

    QualitySections(JsonNode evaluation, Page page) {
        this.evaluation = evaluation;
        this.page = page;
    }

    void warnings() {
        evaluation.path("warnings").forEach(warning -> page.warning("Warning: " + warning.asText()));
        JsonNode generation = evaluation.path("generation");
        if (generation.path("collapsed").asBoolean()) {
            List<String> reasons = new ArrayList<>();
            generation.path("reasons").forEach(reason -> reasons.add(reason.asText()));
            page.warning("Warning: the model's text has collapsed: " + String.join("; ", reasons));
        }
    }

    /** Perplexity, divergence and tasks. */
    void measures() {
        List<List<Cell>> rows = new ArrayList<>();
        JsonNode perplexity = evaluation.path("perplexity");
        if (!perplexity.isMissingNode()) {
            String convention = perplexity.path("convention").asText("");
            rows.add(
                    measure("perplexity" + (convention.isEmpty() ? "" : " (" + convention + ")"), perplexity, "value"));
        }
        JsonNode divergence = evaluation.path("divergence");
        JsonNode kl = divergence.path("kl");
        if (!kl.isMissingNode()) {
            rows.add(measure("KL divergence, nats a token, mean", kl, "mean"));
            for (String name : List.of("median", "p90", "p99", "p999", "max")) {
                if (kl.has(name)) {
                    rows.add(measure(
                            "KL divergence, "
                                    + name.replace("p999", "99.9th percentile")
                                            .replace("p99", "99th percentile")
                                            .replace("p90", "90th percentile"),
                            kl,
                            name));
                }
            }
        }
        agreement(rows, "same likeliest token (top-1)", divergence.path("top1"), "value");
        agreement(rows, "likeliest token among the original's five (top-5)", divergence.path("top5"), "value");
        agreement(rows, "change of the right token's probability, mean", divergence.path("rightToken"), "mean");
        if (divergence.path("rightToken").has("rms")) {
            rows.add(List.of(
                    Cell.text("change of the right token's probability, root mean square"),
                    Cell.number(percent(divergence.at("/rightToken/rms").asDouble())),
                    Cell.number("")));
        }
        if (rows.isEmpty() && evaluation.path("tasks").isEmpty()) {
            return;
        }
        page.heading("Quality");
        page.paragraph(text());
        if (!rows.isEmpty()) {
            page.table("Measures", List.of("measure", "value", "95 % interval"), rows);
        }
        tasks();
        positions(divergence.path("klByPosition"));
    }

    private String text() {
        JsonNode text = evaluation.path("text");
        String on = text.path("name").asText("");
        String against = evaluation.path("original").asText("");
        return (on.isEmpty()
                        ? ""
                        : "On " + on + ", " + number(text.path("windows").asDouble()) + " windows of "
                                + number(text.path("window").asDouble()) + " tokens. ")
                + (against.isEmpty() ? "" : "Divergence is from " + against + ".");
    }

    private static List<Cell> measure(String name, JsonNode node, String field) {
        String interval = field.equals("mean") || field.equals("value") ? interval(node, 1, "") : "";
        return List.of(Cell.text(name), Cell.number(number(node.path(field).asDouble())), Cell.number(interval));
    }

    private static void agreement(List<List<Cell>> rows, String name, JsonNode node, String field) {
        if (!node.isMissingNode()) {
            rows.add(List.of(
                    Cell.text(name),
                    Cell.number(percent(node.path(field).asDouble())),
                    Cell.number(interval(node, 100, " %"))));
        }
    }

    private static String interval(JsonNode node, double factor, String unit) {
        return node.has("low") && node.has("high")
                ? number(factor * node.path("low").asDouble()) + " to "
                        + number(factor * node.path("high").asDouble()) + unit
                : "";
    }

    private void tasks() {
        List<List<Cell>> rows = new ArrayList<>();
        for (JsonNode task : evaluation.path("tasks")) {
            rows.add(List.of(
                    Cell.text(task.path("name").asText()),
                    Cell.number(number(task.path("items").asDouble())),
                    Cell.number(score(task, "acc")),
                    Cell.number(score(task, "accNorm"))));
        }
        if (!rows.isEmpty()) {
            page.table(
                    "Zero-shot tasks, with standard errors",
                    List.of("task", "items", "accuracy", "accuracy by length"),
                    rows);
        }
    }

    private static String score(JsonNode task, String name) {
        return task.has(name)
                ? percent(task.path(name).asDouble())
                        + (task.has(name + "StandardError")
                                ? " ± "
                                        + number(100
                                                * task.path(name + "StandardError")
                                                        .asDouble())
                                : "")
                : "";
    }

    private void positions(JsonNode positions) {
        if (positions.isEmpty()) {
            return;
        }
        List<Point> points = new ArrayList<>();
        for (JsonNode bin : positions) {
            points.add(new Point(
                    (bin.path("from").asDouble() + bin.path("to").asDouble()) / 2,
                    bin.path("mean").asDouble()));
        }
        String title = "KL divergence over positions";
        Plot plot = new Plot(
                title,
                Axis.fromZero("position in the window, tokens", points.stream().mapToDouble(Point::x)),
                Axis.fromZero("KL, nats a token", points.stream().mapToDouble(Point::y)));
        page.beginFigures();
        page.figure(title, plot.line("KL", "class=\"s1\"", points).svg(), "Mean over the windows.");
        page.endFigures();
    }

    /** Texts of both models side by side. */
    void samples() {
        JsonNode samples = evaluation.path("generation").path("samples");
        if (samples.isEmpty()) {
            return;
        }
        page.heading("Samples beside the original's");
        for (JsonNode sample : samples) {
            String prompt = sample.path("prompt").asText();
            page.sample("quantized", prompt, sample.path("text").asText());
            if (sample.has("original")) {
                page.sample("original", prompt, sample.path("original").asText());
            }
        }
    }
}
