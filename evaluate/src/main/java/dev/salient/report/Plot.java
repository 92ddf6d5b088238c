package dev.salient.report;

import static dev.salient.report.Markup.coordinate;
import static dev.salient.report.Markup.escape;
import static dev.salient.report.Markup.number;

import java.util.List;

/**
 * One drawing with two axes, as inline SVG. Colours are classes or CSS variables of the page, so that a drawing follows
 * the reader's choice of light or dark.
 */
final class Plot {
    private static final double WIDTH = 480;
    private static final double HEIGHT = 280;
    private static final double LEFT = 58;
    private static final double RIGHT = 466;
    private static final double TOP = 26;
    private static final double BOTTOM = 232;

    private final Axis x;
    private final Axis y;
    private final StringBuilder svg = new StringBuilder();

    /** A value pair. */
    record Point(double x, double y) {}

    /**
     * A whisker: how far a value may be off.
     *
     * @param x where it stands
     */
    record Interval(double x, double low, double high) {}

    /** An empty plot. */
    Plot(String title, Axis x, Axis y) {
        this.x = x;
        this.y = y;
        svg.append("<svg class=\"plot\" role=\"img\" viewBox=\"0 0 480 280\" aria-label=\"")
                .append(escape(title + "; across: " + x.label() + "; up: " + y.label()))
                .append("\">\n");
        for (double tick : y.ticks()) {
            String at = coordinate(up(tick));
            svg.append("<path class=\"grid\" d=\"M%s %sH%s\"/>".formatted(coordinate(LEFT), at, coordinate(RIGHT)));
            text("end", LEFT - 6, up(tick) + 4, Axis.shown(tick));
        }
        for (double tick : x.ticks()) {
            text("middle", across(tick), BOTTOM + 18, Axis.shown(tick));
        }
        svg.append("<path class=\"axis\" d=\"M%s %sH%s\"/>\n"
                .formatted(coordinate(LEFT), coordinate(BOTTOM), coordinate(RIGHT)));
        text("middle", (LEFT + RIGHT) / 2, HEIGHT - 8, x.label());
        text("start", 4, 14, y.label());
    }

    private double across(double value) {
        return LEFT + (RIGHT - LEFT) * x.at(value);
    }

    private double up(double value) {
        return BOTTOM - (BOTTOM - TOP) * Math.clamp(y.at(value), 0, 1);
    }

    private void text(String anchor, double across, double down, String text) {
        svg.append("<text text-anchor=\"%s\" x=\"%s\" y=\"%s\">%s</text>\n"
                .formatted(anchor, coordinate(across), coordinate(down), escape(text)));
    }

    /**
     * A line through points.
     *
     * @param paint attributes that give its colour: {@code class="s1"}
     */
    Plot line(String name, String paint, List<Point> points) {
        StringBuilder path = new StringBuilder();
        for (Point point : points) {
            path.append(path.isEmpty() ? 'M' : 'L')
                    .append(coordinate(across(point.x())))
                    .append(' ')
                    .append(coordinate(up(point.y())));
        }
        svg.append("<g %s><path class=\"line\" d=\"%s\"><title>%s</title></path>".formatted(paint, path, escape(name)));
        if (points.size() <= 40) {
            for (Point point : points) {
                svg.append("<circle class=\"dot\" r=\"2.5\" cx=\"%s\" cy=\"%s\"><title>%s: %s, %s</title></circle>"
                        .formatted(
                                coordinate(across(point.x())),
                                coordinate(up(point.y())),
                                escape(name),
                                number(point.x()),
                                number(point.y())));
            }
        }
        svg.append("</g>\n");
        return this;
    }

    /** A line of steps through points, from left to right: no point of a front reaches its neighbour's value early. */
    Plot steps(String name, List<Point> points) {
        StringBuilder path = new StringBuilder();
        for (Point point : points) {
            path.append(
                            path.isEmpty()
                                    ? "M" + coordinate(across(point.x())) + " "
                                    : "H" + coordinate(across(point.x())) + "V")
                    .append(coordinate(up(point.y())));
        }
        svg.append("<path class=\"front\" d=\"%s\"><title>%s</title></path>\n".formatted(path, escape(name)));
        return this;
    }

    /** A bar from the axis' low end to a value. */
    Plot bar(String name, double from, double to, double value) {
        double left = across(from) + 1;
        double wide = Math.max(1, across(to) - across(from) - 2);
        svg.append("<rect class=\"bar\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\"><title>%s: %s</title></rect>\n"
                .formatted(
                        coordinate(left),
                        coordinate(up(value)),
                        coordinate(wide),
                        coordinate(BOTTOM - up(value)),
                        escape(name),
                        number(value)));
        return this;
    }

    /** A labelled mark with its uncertainty. */
    Plot mark(String label, String paint, Point point, Interval interval) {
        String at = coordinate(across(interval.x()));
        svg.append("<g %s><path class=\"whisker\" d=\"M%s %sV%s\"/>"
                .formatted(paint, at, coordinate(up(interval.low())), coordinate(up(interval.high()))));
        svg.append(
                "<circle class=\"mark\" r=\"5\" cx=\"%s\" cy=\"%s\"><title>%s: %s, %s (%s to %s)</title></circle></g>"
                        .formatted(
                                at,
                                coordinate(up(point.y())),
                                escape(label),
                                number(point.x()),
                                number(point.y()),
                                number(interval.low()),
                                number(interval.high())));
        boolean rightHalf = across(point.x()) > WIDTH / 2;
        text(rightHalf ? "end" : "start", across(point.x()) + (rightHalf ? -9 : 9), up(point.y()) - 7, label);
        return this;
    }

    /** The finished drawing. */
    String svg() {
        return svg + "</svg>\n";
    }
}
