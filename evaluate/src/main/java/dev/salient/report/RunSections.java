package dev.salient.report;

import static dev.salient.report.Markup.number;
import static dev.salient.report.Markup.percent;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.report.Page.Cell;
import dev.salient.report.Plot.Point;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;

/** The parts of a page that show what a run did, from its {@code report.json}; what is absent is not shown. */
final class RunSections {
    private final JsonNode report;
    private final Page page;

    RunSections(JsonNode report, Page page) {
        this.report = report;
        this.page = page;
    }

    private int blockCount() {
        return report.path("blocks").size();
    }

    /** How losses went in training, block by block. */
    void training() {
        List<List<Point>> outputs = curves("outputLoss");
        List<List<Point>> preservation = curves("preservation");
        if (outputs.stream().allMatch(List::isEmpty) && preservation.stream().allMatch(List::isEmpty)) {
            return;
        }
        page.heading("Training");
        page.beginFigures();
        lossFigure("Loss of a block's outputs", outputs);
        lossFigure("Loss of preservation", preservation);
        page.endFigures();
        page.foldedTable(
                "First and last epoch of each block, as a table",
                List.of("block", "epochs", "first output loss", "last output loss", "last preservation loss"),
                lossRows());
    }

    /** Losses of each block against those of its first epoch that has one. */
    private List<List<Point>> curves(String loss) {
        List<List<Point>> curves = new ArrayList<>();
        for (JsonNode block : report.path("blocks")) {
            List<Point> curve = new ArrayList<>();
            double first = 0;
            int epoch = 0;
            for (JsonNode at : block.path("curve")) {
                double value = at.path(loss).asDouble();
                epoch++;
                if (value > 0) {
                    first = first == 0 ? value : first;
                    curve.add(new Point(epoch, value / first));
                }
            }
            curves.add(curve);
        }
        return curves;
    }

    private void lossFigure(String title, List<List<Point>> curves) {
        if (curves.stream().allMatch(List::isEmpty)) {
            return;
        }
        Plot plot = new Plot(
                title,
                epochs(curves),
                Axis.logarithmic(
                        "loss / loss of the first epoch",
                        curves.stream().flatMap(List::stream).mapToDouble(Point::y)));
        for (int block = 0; block < curves.size(); block++) {
            int depth = curves.size() == 1 ? 0 : 100 * block / (curves.size() - 1);
            String paint = "style=\"--c: color-mix(in srgb, var(--c2) %d%%, var(--c1))\"".formatted(depth);
            if (!curves.get(block).isEmpty()) {
                plot.line("block " + block, paint, curves.get(block));
            }
        }
        page.figure(
                title,
                plot.svg() + "<ul class=\"legend\"><li>block 0 <i class=\"depth\"></i> block " + (curves.size() - 1)
                        + "</li></ul>\n",
                "One line a block; below 1 the loss has fallen.");
    }

    private static Axis epochs(List<List<Point>> curves) {
        double last = curves.stream()
                .flatMap(List::stream)
                .mapToDouble(Point::x)
                .max()
                .orElse(1);
        return new Axis("epoch", 0.5, last + 0.5, Axis.Spacing.WHOLE);
    }

    private List<List<Cell>> lossRows() {
        List<List<Cell>> rows = new ArrayList<>();
        for (JsonNode block : report.path("blocks")) {
            JsonNode curve = block.path("curve");
            JsonNode last = curve.path(curve.size() - 1);
            rows.add(List.of(
                    Cell.number(block.path("block").asText()),
                    Cell.number(number(curve.size())),
                    Cell.number(number(curve.path(0).path("outputLoss").asDouble())),
                    Cell.number(number(last.path("outputLoss").asDouble())),
                    Cell.number(number(last.path("preservation").asDouble()))));
        }
        return rows;
    }

    /** How the divergence went in the last tuning end to end. */
    void tuning() {
        List<Point> heldOut = new ArrayList<>();
        List<Point> training = new ArrayList<>();
        for (JsonNode at : report.at("/run/tuned")) {
            double step = at.path("step").asDouble();
            heldOut.add(new Point(step, at.path("heldOut").asDouble()));
            if (step > 0) {
                training.add(new Point(step, at.path("training").asDouble()));
            }
        }
        if (heldOut.size() < 2) {
            return;
        }
        String title = "Divergence while tuning";
        double last = heldOut.getLast().x();
        Plot plot = new Plot(
                title,
                new Axis("step", 0, last, Axis.Spacing.WHOLE),
                Axis.fromZero(
                        "KL divergence, nats a token",
                        Stream.of(heldOut, training).flatMap(List::stream).mapToDouble(Point::y)));
        plot.line("training", "class=\"s2\"", training);
        plot.line("held-out", "class=\"s1\"", heldOut);
        page.heading("Tuning end to end");
        page.beginFigures();
        page.figure(
                title,
                plot.svg() + Page.legend(List.of("held-out text", "training, mean since the point before"), 1),
                "From the original's next-token distributions. What was lowest on held-out text is in the folder.");
        page.endFigures();
        page.foldedTable(
                "As a table",
                List.of("step", "training", "held-out"),
                heldOut.stream()
                        .map(at -> List.of(
                                Cell.number(number(at.x())),
                                Cell.number(training.stream()
                                        .filter(t -> t.x() == at.x())
                                        .map(t -> number(t.y()))
                                        .findFirst()
                                        .orElse("")),
                                Cell.number(number(at.y()))))
                        .toList());
    }

    /** How far the stored weights are from the original ones. */
    void errors() {
        if (report.at("/blocks/0/linears/0/relativeError").isMissingNode()) {
            return;
        }
        List<Point> blocks = new ArrayList<>();
        for (JsonNode block : report.path("blocks")) {
            blocks.add(new Point(
                    block.path("block").asInt(), block.path("relativeError").asDouble()));
        }
        String title = "Error of each block";
        Plot plot = new Plot(
                title,
                blockAxis(),
                Axis.fromZero("relative squared error", blocks.stream().mapToDouble(Point::y)));
        blocks.forEach(at -> plot.bar("block " + number(at.x()), at.x() - 0.5, at.x() + 0.5, at.y()));
        page.heading("Error of the weights");
        page.paragraph("Squared difference between stored and original weights, adapters included, divided by the"
                + " squares of the original weights. Training fits outputs, not weights, so that a larger error here"
                + " can be a better model.");
        page.beginFigures();
        page.figure(title, plot.svg(), "All linears of a block together.");
        linearFigure("Error of each linear", "relative squared error", "/relativeError");
        page.endFigures();
        page.foldedTable(
                "Linears as a table",
                List.of("linear", "stored as", "bits per weight", "relative squared error"),
                linearRows());
    }

    private List<List<Cell>> linearRows() {
        List<List<Cell>> rows = new ArrayList<>();
        for (JsonNode block : report.path("blocks")) {
            for (JsonNode linear : block.path("linears")) {
                rows.add(List.of(
                        Cell.text(block.path("block").asText() + "."
                                + linear.path("name").asText()),
                        Cell.text(linear.path("form").asText()),
                        Cell.number(number(linear.path("bitsPerWeight").asDouble())),
                        Cell.number(number(linear.path("relativeError").asDouble()))));
            }
        }
        return rows;
    }

    private Axis blockAxis() {
        return new Axis("block", -0.5, Math.max(1, blockCount()) - 0.5, Axis.Spacing.WHOLE);
    }

    /** One line a linear over the blocks, of a number at a place in each linear's record. */
    void linearFigure(String title, String label, String pointer) {
        List<List<Point>> lines = new ArrayList<>();
        List<String> names = new ArrayList<>();
        for (JsonNode block : report.path("blocks")) {
            int i = 0;
            for (JsonNode linear : block.path("linears")) {
                if (lines.size() == i) {
                    lines.add(new ArrayList<>());
                    names.add(linear.path("name").asText());
                }
                JsonNode value = linear.at(pointer);
                if (value.isNumber()) {
                    lines.get(i).add(new Point(block.path("block").asInt(), value.asDouble()));
                }
                i++;
            }
        }
        DoubleStream values = lines.stream().flatMap(List::stream).mapToDouble(Point::y);
        Plot plot = new Plot(title, blockAxis(), Axis.fromZero(label, values));
        for (int i = 0; i < lines.size(); i++) {
            plot.line(names.get(i), "class=\"s" + (i + 1) + "\"", lines.get(i));
        }
        page.figure(title, plot.svg() + Page.legend(names, 1), "One line a linear, over the blocks.");
    }

    /** How often each code and each size of scale is used, in the written files. */
    void codes() {
        if (report.path("grids").isEmpty()) {
            return;
        }
        page.heading("Codes and scales");
        page.paragraph("Counted in the written folder, loaded back.");
        page.beginFigures();
        for (JsonNode grid : report.path("grids")) {
            String form = grid.path("form").asText();
            codeFigure(form, grid.path("codes"));
            scaleFigure(form, grid);
        }
        page.endFigures();
    }

    private void codeFigure(String form, JsonNode codes) {
        double all = 0;
        for (JsonNode count : codes) {
            all += count.asDouble();
        }
        List<Double> shares = new ArrayList<>();
        for (JsonNode count : codes) {
            shares.add(100 * count.asDouble() / Math.max(1, all));
        }
        String title = "Codes, " + form;
        Plot plot = new Plot(
                title,
                new Axis("code", -0.5, Math.max(1, shares.size()) - 0.5, Axis.Spacing.WHOLE),
                Axis.fromZero("% of codes", shares.stream().mapToDouble(v -> v)));
        for (int code = 0; code < shares.size(); code++) {
            plot.bar("code " + code, code - 0.5, code + 0.5, shares.get(code));
        }
        page.figure(title, plot.svg(), number(all) + " codes.");
    }

    private void scaleFigure(String form, JsonNode grid) {
        List<double[]> bins = new ArrayList<>();
        double all = 0;
        for (JsonNode bin : grid.path("scales")) {
            bins.add(new double[] {
                bin.path("from").asDouble(),
                bin.path("to").asDouble(),
                bin.path("count").asDouble()
            });
            all += bin.path("count").asDouble();
        }
        if (bins.isEmpty()) {
            return;
        }
        double total = all;
        String title = "Scales, " + form;
        Plot plot = new Plot(
                title,
                Axis.logarithmic("size of the scale", bins.stream().flatMapToDouble(b -> DoubleStream.of(b[0], b[1]))),
                Axis.fromZero("% of groups", bins.stream().mapToDouble(b -> 100 * b[2] / total)));
        for (double[] bin : bins) {
            plot.bar(number(bin[0]) + " to " + number(bin[1]), bin[0], bin[1], 100 * bin[2] / total);
        }
        double negative = grid.path("negativeScales").asDouble();
        double zero = grid.path("zeroScales").asDouble();
        page.figure(
                title,
                plot.svg(),
                number(total + zero) + " groups; " + percent(negative / Math.max(1, total + zero))
                        + " of the scales are negative" + (zero > 0 ? ", " + number(zero) + " are zero." : "."));
    }

    /** What the quantized model writes. */
    void samples() {
        if (report.path("samples").isEmpty()) {
            return;
        }
        page.heading("Samples");
        page.paragraph("Written by the folder as loaded back; the likeliest token each time.");
        for (JsonNode sample : report.path("samples")) {
            page.sample("", sample.path("prompt").asText(), sample.path("text").asText());
        }
    }

    /** All settings of the run, and the hashes that tell what it read. */
    void settings() {
        if (report.path("run").isEmpty()) {
            return;
        }
        List<List<Cell>> rows = new ArrayList<>();
        flatten("", report.path("run"), rows);
        page.heading("Settings and hashes");
        page.table("All that the result depends on, from salient-run.json", List.of("setting", "value"), rows);
    }

    private static void flatten(String place, JsonNode node, List<List<Cell>> rows) {
        if (node.isObject()) {
            node.properties()
                    .forEach(field -> flatten(
                            place.isEmpty() ? field.getKey() : place + "." + field.getKey(), field.getValue(), rows));
        } else if (node.isArray()) {
            for (int i = 0; i < node.size(); i++) {
                flatten(place + " " + (i + 1), node.get(i), rows);
            }
        } else {
            rows.add(Page.row(place, node.asText()));
        }
    }
}
