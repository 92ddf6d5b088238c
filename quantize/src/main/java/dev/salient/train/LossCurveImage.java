package dev.salient.train;

import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** Draws a loss curve as SVG. */
final class LossCurveImage {
    private static final int WIDTH = 640;
    private static final int HEIGHT = 360;
    private static final int LEFT = 50;
    private static final int BOTTOM = 310;
    private static final int TOP = 30;
    private static final int RIGHT = 620;

    private final List<LossCurve.Point> points;
    private final double lowest;
    private final double highest;

    private LossCurveImage(LossCurve curve) {
        points = curve.points();
        lowest = Math.floor(points.stream()
                                .mapToDouble(p -> Math.min(p.training(), p.heldOut()))
                                .min()
                                .orElse(0)
                        * 2)
                / 2;
        highest = Math.ceil(points.stream()
                                .mapToDouble(p -> Math.max(p.training(), p.heldOut()))
                                .max()
                                .orElse(1)
                        * 2)
                / 2;
    }

    /** The image of a curve with at least one point. */
    static String svg(LossCurve curve) {
        return new LossCurveImage(curve).draw();
    }

    private String draw() {
        StringBuilder svg = new StringBuilder(format(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\""
                        + " font-family=\"sans-serif\" font-size=\"12\">%n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>%n",
                WIDTH, HEIGHT, WIDTH, HEIGHT));
        for (double loss = lowest; loss <= highest + 1e-9; loss += 0.5) {
            svg.append(format(
                    "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.1f</text>%n",
                    LEFT, y(loss), RIGHT, LEFT - 6, y(loss) + 4, loss));
        }
        int last = points.getLast().step();
        for (int part = 0; part <= 4; part++) {
            int step = last * part / 4;
            svg.append(format(
                    "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%,d</text>%n", x(step), BOTTOM + 18, step));
        }
        svg.append(format(
                "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">steps</text>%n", (LEFT + RIGHT) / 2, BOTTOM + 38));
        svg.append(format("<text x=\"%d\" y=\"18\">loss, nats per token</text>%n", LEFT));
        svg.append(line("training", "#1f77b4", 60, LossCurve.Point::training));
        svg.append(line("held-out", "#d62728", 76, LossCurve.Point::heldOut));
        return svg.append("</svg>\n").toString();
    }

    private String line(String name, String color, int nameY, ToDoubleFunction<LossCurve.Point> loss) {
        StringBuilder path = new StringBuilder();
        for (LossCurve.Point point : points) {
            path.append(
                    format("%s%.1f %.1f", path.isEmpty() ? "M" : "L", x(point.step()), y(loss.applyAsDouble(point))));
        }
        return format(
                "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"/>"
                        + "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" fill=\"%s\">%s, at last %.3f</text>%n",
                path, color, RIGHT, nameY, color, name, loss.applyAsDouble(points.getLast()));
    }

    private double x(int step) {
        return LEFT + (double) (RIGHT - LEFT) * step / points.getLast().step();
    }

    private double y(double loss) {
        return BOTTOM - (BOTTOM - TOP) * (loss - lowest) / Math.max(0.5, highest - lowest);
    }

    @com.google.errorprone.annotations.FormatMethod
    private static String format(String format, Object... values) {
        return String.format(Locale.ROOT, format, values).replace("\r\n", "\n");
    }
}
