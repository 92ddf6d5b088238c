package dev.salient.report;

import static dev.salient.report.Markup.escape;

import java.util.List;

/**
 * Profiles one below the other, a row of cells each, as inline SVG. A cell's colour says how many times the mean of its
 * matrix it holds.
 */
final class HeatMap {
    /** Where a darker colour begins, in times of the mean. */
    static final List<Double> STEPS = List.of(1.5, 4.0, 16.0, 64.0, 256.0);

    private static final int CELL_HEIGHT = 7;
    private static final int WIDTH = 480;
    private static final int LEFT = 30;
    /** The first row's number is higher than its cell. */
    private static final int TOP = 5;

    private HeatMap() {}

    /** The drawing; cells of one colour are one path, which keeps a page of 200 maps small. */
    static String svg(String title, List<List<Double>> profiles) {
        int height = Math.max(1, profiles.size()) * CELL_HEIGHT;
        StringBuilder svg =
                new StringBuilder("<svg class=\"map\" role=\"img\" preserveAspectRatio=\"none\" viewBox=\"0 -"
                        + TOP + " " + WIDTH + " " + (TOP + height + 2) + "\" aria-label=\"" + escape(title)
                        + "\">\n<title>"
                        + escape(title)
                        + "</title><rect class=\"ground\" x=\"" + LEFT + "\" y=\"0\" width=\"" + (WIDTH - LEFT)
                        + "\" height=\""
                        + height + "\"/>\n");
        for (int level = 0; level < STEPS.size(); level++) {
            StringBuilder path = new StringBuilder();
            for (int row = 0; row < profiles.size(); row++) {
                appendRuns(path, profiles.get(row), level, row);
            }
            if (!path.isEmpty()) {
                svg.append("<path class=\"h%d\" d=\"%s\"/>\n".formatted(level + 1, path));
            }
        }
        int every = profiles.size() <= 4 ? 1 : Math.max(2, (profiles.size() + 4) / 5);
        for (int row = 0; row < profiles.size(); row += every) {
            svg.append("<text text-anchor=\"end\" x=\"%d\" y=\"%d\">%d</text>"
                    .formatted(LEFT - 6, (row + 1) * CELL_HEIGHT, row));
        }
        return svg.append("</svg>\n").toString();
    }

    private static void appendRuns(StringBuilder path, List<Double> profile, int level, int row) {
        double cell = (double) (WIDTH - LEFT) / profile.size();
        int from = 0;
        while (from < profile.size()) {
            int to = from;
            while (to < profile.size() && level(profile.get(to)) == level) {
                to++;
            }
            if (to > from) {
                path.append("M%s %dh%sv%dh-%sz"
                        .formatted(
                                Markup.coordinate(LEFT + from * cell),
                                row * CELL_HEIGHT,
                                Markup.coordinate((to - from) * cell),
                                CELL_HEIGHT - 1,
                                Markup.coordinate((to - from) * cell)));
            }
            from = Math.max(to, from + 1);
        }
    }

    /** The colour of a value; -1 where it is the ground's. */
    static int level(double value) {
        int level = -1;
        while (level + 1 < STEPS.size() && value >= STEPS.get(level + 1)) {
            level++;
        }
        return level;
    }
}
