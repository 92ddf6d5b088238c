package dev.salient.report;

import static dev.salient.report.Markup.number;
import static dev.salient.report.Markup.percent;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.report.Page.Cell;
import dev.salient.report.Plot.Point;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;

/** The part of a page that shows which weights matter. */
final class SaliencySections {
    /** Parts of the weights that the table shows, in thousandths of a percent. */
    private static final List<Long> SHOWN = List.of(100L, 1000L, 10_000L);

    private final JsonNode report;
    private final Page page;

    SaliencySections(JsonNode report, Page page) {
        this.report = report;
        this.page = page;
    }

    /** All of it; nothing where the run had no saliency. */
    void write() {
        Map<String, List<JsonNode>> linears = new LinkedHashMap<>();
        for (JsonNode block : report.path("blocks")) {
            for (JsonNode linear : block.path("linears")) {
                if (!linear.path("saliency").isMissingNode()) {
                    linears.computeIfAbsent(linear.path("name").asText(), name -> new ArrayList<>())
                            .add(linear.path("saliency"));
                }
            }
        }
        if (linears.isEmpty()) {
            return;
        }
        page.heading("Saliency");
        page.paragraph("Saliency is the squared gradient of the language-model loss, per weight: how much the loss"
                + " minds a change of it. What is concentrated in few weights, rows or columns is worth protecting.");
        page.beginFigures();
        concentration(linears);
        new RunSections(report, page)
                .linearFigure("Held by the top 1 % of weights", "share of saliency", "/saliency/topOnePercent");
        page.endFigures();
        shareTable(linears);
        page.paragraph("Maps: one line a block, from the first row or column at the left to the last at the right. A"
                + " cell shows the most salient row or column in it, in times of the matrix's mean.");
        legend();
        page.beginFigures();
        linears.forEach((name, saliencies) -> {
            map(name + ": rows (outputs)", saliencies, "rows");
            map(name + ": columns (inputs)", saliencies, "columns");
        });
        page.endFigures();
        topTable();
    }

    private void concentration(Map<String, List<JsonNode>> linears) {
        String title = "Concentration";
        List<List<Point>> curves = new ArrayList<>();
        linears.values().forEach(saliencies -> curves.add(meanCurve(saliencies)));
        Plot plot = new Plot(
                title,
                Axis.logarithmic(
                        "% of weights, most salient first",
                        curves.stream().flatMap(List::stream).mapToDouble(Point::x)),
                Axis.fromZero("% of saliency", DoubleStream.of(0, 95)));
        List<String> names = List.copyOf(linears.keySet());
        for (int i = 0; i < curves.size(); i++) {
            plot.line(names.get(i), "class=\"s" + (i + 1) + "\"", curves.get(i));
        }
        page.figure(
                title,
                plot.svg() + Page.legend(names, 1),
                "How much of a linear's saliency its most salient weights hold; mean over the blocks.");
    }

    private static List<Point> meanCurve(List<JsonNode> saliencies) {
        List<Point> curve = new ArrayList<>();
        JsonNode first = saliencies.getFirst().path("concentration");
        for (int i = 0; i < first.size(); i++) {
            double sum = 0;
            for (JsonNode saliency : saliencies) {
                sum += saliency.path("concentration").path(i).path("share").asDouble();
            }
            curve.add(new Point(100 * first.path(i).path("top").asDouble(), 100 * sum / saliencies.size()));
        }
        return curve;
    }

    private void shareTable(Map<String, List<JsonNode>> linears) {
        List<List<Cell>> rows = new ArrayList<>();
        linears.forEach((name, saliencies) -> {
            List<Cell> row = new ArrayList<>(List.of(Cell.text(name)));
            for (Point at : meanCurve(saliencies)) {
                if (SHOWN.contains(Math.round(1000 * at.x()))) {
                    row.add(Cell.number(percent(at.y() / 100)));
                }
            }
            rows.add(row);
        });
        page.table(
                "Share of a linear's saliency in its most salient weights, mean over the blocks",
                List.of("linear", "top 0.1 %", "top 1 %", "top 10 %"),
                rows);
    }

    private void legend() {
        StringBuilder drawing = new StringBuilder("<svg class=\"plot\" role=\"img\" viewBox=\"0 0 480 30\""
                + " style=\"max-width: 480px\" aria-label=\"Colours of the maps\">");
        for (int i = 0; i < HeatMap.STEPS.size(); i++) {
            drawing.append("<rect class=\"h%d\" x=\"%d\" y=\"6\" width=\"18\" height=\"14\"/>".formatted(i + 1, i * 92))
                    .append("<text x=\"%d\" y=\"18\">from %s</text>"
                            .formatted(i * 92 + 24, Axis.shown(HeatMap.STEPS.get(i))));
        }
        page.figure("Times the mean", drawing + "</svg>\n", "");
    }

    private void map(String title, List<JsonNode> saliencies, String profile) {
        List<List<Double>> profiles = new ArrayList<>();
        for (JsonNode saliency : saliencies) {
            List<Double> cells = new ArrayList<>();
            saliency.path(profile).forEach(cell -> cells.add(cell.asDouble()));
            profiles.add(cells);
        }
        if (profiles.stream().noneMatch(List::isEmpty)) {
            page.figure(title, HeatMap.svg(title, profiles), "");
        }
    }

    private void topTable() {
        List<List<Cell>> rows = new ArrayList<>();
        for (JsonNode block : report.path("blocks")) {
            for (JsonNode linear : block.path("linears")) {
                JsonNode saliency = linear.path("saliency");
                if (!saliency.isMissingNode()) {
                    rows.add(List.of(
                            Cell.text(block.path("block").asText() + "."
                                    + linear.path("name").asText()),
                            Cell.number(number(saliency.path("mean").asDouble())),
                            Cell.number(percent(saliency.path("topOnePercent").asDouble())),
                            Cell.text(top(saliency.path("topRows"))),
                            Cell.text(top(saliency.path("topColumns")))));
                }
            }
        }
        page.foldedTable(
                "Most salient rows and columns of every linear, as a table",
                List.of("linear", "mean saliency", "in the top 1 % of weights", "top rows", "top columns"),
                rows);
    }

    private static String top(JsonNode indices) {
        List<String> parts = new ArrayList<>();
        for (JsonNode at : indices) {
            parts.add(
                    at.path("index").asText() + " (" + percent(at.path("share").asDouble()) + ")");
        }
        return String.join(", ", parts);
    }
}
