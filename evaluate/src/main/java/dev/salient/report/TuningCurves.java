package dev.salient.report;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.report.Plot.Point;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** How the held-out divergence went in several tunings end to end: a line a run, the mean over its seeds. */
final class TuningCurves {
    private TuningCurves() {}

    /**
     * Adds a figure, where any of these models was tuned.
     *
     * @param runs folders of the same run with other seeds, by the run's name
     */
    static void figure(Page page, Map<String, List<Path>> runs) throws IOException {
        Map<String, List<Point>> curves = new LinkedHashMap<>();
        for (Map.Entry<String, List<Path>> run : runs.entrySet()) {
            List<Point> mean = mean(run.getValue());
            if (mean.size() > 1) {
                curves.put(run.getKey(), mean);
            }
        }
        if (curves.isEmpty()) {
            return;
        }
        String title = "Held-out divergence while tuning";
        double last = curves.values().stream()
                .mapToDouble(curve -> curve.getLast().x())
                .max()
                .orElse(1);
        Plot plot = new Plot(
                title,
                new Axis("step", 0, last, Axis.Spacing.WHOLE),
                Axis.around(
                        "KL divergence, nats a token",
                        curves.values().stream().flatMap(List::stream).mapToDouble(Point::y)));
        int colour = 0;
        for (Map.Entry<String, List<Point>> curve : curves.entrySet()) {
            plot.line(curve.getKey(), Page.colour(colour++), curve.getValue());
        }
        page.beginFigures();
        page.figure(
                title,
                plot.svg() + Page.legend(List.copyOf(curves.keySet()), 1),
                "On the text that each run held out itself; the mean where there are several seeds.");
        page.endFigures();
    }

    /** Of the steps at which all seeds looked. */
    private static List<Point> mean(List<Path> folders) throws IOException {
        Map<Integer, List<Double>> at = new TreeMap<>();
        for (Path folder : folders) {
            for (JsonNode point :
                    ReportFolder.read(folder.resolve("report.json")).at("/run/tuned")) {
                at.computeIfAbsent(point.path("step").asInt(), step -> new ArrayList<>())
                        .add(point.path("heldOut").asDouble());
            }
        }
        List<Point> mean = new ArrayList<>();
        at.forEach((step, values) -> {
            if (values.size() == folders.size()) {
                mean.add(new Point(
                        step,
                        values.stream().mapToDouble(value -> value).average().orElseThrow()));
            }
        });
        return mean;
    }
}
