package dev.salient.report;

import static dev.salient.report.Markup.escape;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;

/** A page that grows from top to bottom: one HTML file that asks nothing of the network, well-formed as XML too. */
final class Page {
    private static final int COLOURS = 7;

    private static final String STYLE = style();
    private static final Pattern LINE_FEEDS = Pattern.compile("\n{4,}");
    private final StringBuilder body = new StringBuilder();
    private final String title;

    /** A cell of a table: a text, or a number, which stands at the right. */
    record Cell(String text, Kind kind) {
        enum Kind {
            TEXT,
            NUMBER
        }

        static Cell text(String text) {
            return new Cell(text, Kind.TEXT);
        }

        static Cell number(String number) {
            return new Cell(number, Kind.NUMBER);
        }

        private String html(String element) {
            return "<%s%s>%s</%s>".formatted(element, kind == Kind.NUMBER ? " class=\"n\"" : "", escape(text), element);
        }
    }

    Page(String title) {
        this.title = title;
    }

    /** The part of a jar that gives every page its look. */
    private static String style() {
        try (InputStream css = Objects.requireNonNull(Page.class.getResourceAsStream("report.css"), "report.css")) {
            return new String(css.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Page heading(String text) {
        body.append("<h2>").append(escape(text)).append("</h2>\n");
        return this;
    }

    Page paragraph(String text) {
        body.append("<p>").append(escape(text)).append("</p>\n");
        return this;
    }

    Page warning(String text) {
        body.append("<p class=\"warning\">").append(escape(text)).append("</p>\n");
        return this;
    }

    /** Numbers to see first: value, then what it is. */
    Page tiles(List<Cell> pairs) {
        body.append("<ul class=\"tiles\">\n");
        for (int i = 0; i + 1 < pairs.size(); i += 2) {
            body.append("<li><b>%s</b><span>%s</span></li>\n"
                    .formatted(
                            escape(pairs.get(i).text()), escape(pairs.get(i + 1).text())));
        }
        body.append("</ul>\n");
        return this;
    }

    Page beginFigures() {
        body.append("<div class=\"figures\">\n");
        return this;
    }

    Page endFigures() {
        body.append("</div>\n");
        return this;
    }

    /**
     * A drawing with its title and what to see in it.
     *
     * @param drawing SVG, and a legend where it needs one
     */
    Page figure(String heading, String drawing, String caption) {
        body.append("<figure><h3>%s</h3>\n%s<figcaption>%s</figcaption></figure>\n"
                .formatted(escape(heading), drawing, escape(caption)));
        return this;
    }

    /** The attribute that gives the line of such a number, from 0, a colour of its own, as far as there are some. */
    static String colour(int line) {
        return "class=\"s%d\"".formatted(line % COLOURS + 1);
    }

    /** Names of colours. */
    static String legend(List<String> names, int firstColour) {
        StringBuilder legend = new StringBuilder("<ul class=\"legend\">");
        for (int i = 0; i < names.size(); i++) {
            legend.append("<li><i %s></i>%s</li>".formatted(colour(firstColour + i - 1), escape(names.get(i))));
        }
        return legend.append("</ul>\n").toString();
    }

    /** A table; the kind of the first row's cells decides where the headers stand. */
    Page table(String caption, List<String> headers, List<List<Cell>> rows) {
        body.append("<div class=\"scroll\"><table><caption>%s</caption>\n<thead><tr>".formatted(escape(caption)));
        for (int i = 0; i < headers.size(); i++) {
            Cell.Kind kind =
                    rows.isEmpty() ? Cell.Kind.TEXT : rows.getFirst().get(i).kind();
            body.append(new Cell(headers.get(i), kind).html("th"));
        }
        body.append("</tr></thead>\n<tbody>\n");
        for (List<Cell> row : rows) {
            body.append("<tr>");
            row.forEach(cell -> body.append(cell.html("td")));
            body.append("</tr>\n");
        }
        body.append("</tbody></table></div>\n");
        return this;
    }

    /** A table that is shown on demand. */
    Page foldedTable(String caption, List<String> headers, List<List<Cell>> rows) {
        body.append("<details><summary>").append(escape(caption)).append("</summary>\n");
        table(caption, headers, rows);
        body.append("</details>\n");
        return this;
    }

    /** Two texts in two cells. */
    static List<Cell> row(String name, String value) {
        return new ArrayList<>(List.of(Cell.text(name), Cell.text(value)));
    }

    /** A text that a model wrote after a prompt; what would be a page of nothing is counted instead. */
    Page sample(String who, String prompt, String written) {
        String text = LINE_FEEDS
                .matcher(written)
                .replaceAll(feeds -> " [" + feeds.group().length() + " line feeds] ");
        body.append("<p class=\"soft\">%s</p><blockquote><b>%s</b>%s</blockquote>\n"
                .formatted(escape(who), escape(prompt), escape(text)));
        return this;
    }

    /** The whole file. */
    String html(String subtitle) {
        return """
                <!DOCTYPE html>
                <html lang="en">
                <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
                <title>%s</title>
                <style>
                %s</style>
                </head>
                <body>
                <header><h1>%s</h1><p class="soft">%s</p></header>
                <main>
                %s</main>
                <footer>Made by Salient. This page is one file; it loads nothing.</footer>
                </body>
                </html>
                """.formatted(escape(title), STYLE, escape(title), escape(subtitle), body);
    }
}
