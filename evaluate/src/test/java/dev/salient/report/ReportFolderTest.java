package dev.salient.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.SAXException;

class ReportFolderTest {
    private static final String REPORT = """
            {"run":{"model":{"name":"<script>alert(1)</script>"},"method":{"name":"sapr",
              "grid":{"name":"signed2","bits":2,"groupSize":64}}},
             "sizes":{"bitsPerWeight":2.715,"weightBytes":88123456},
             "blocks":[{"block":0,"relativeError":0.125,"curve":[
                 {"stage":"mixed","epoch":0,"outputLoss":8,"preservation":1},
                 {"stage":"mixed","epoch":1,"outputLoss":2,"preservation":1}],
               "linears":[{"name":"q","form":"2 bit g64","bitsPerWeight":2.25,"relativeError":0.125,
                 "saliency":{"mean":0.5,"topOnePercent":0.3,
                   "concentration":[{"top":0.001,"share":0.1},{"top":0.01,"share":0.3},{"top":0.1,"share":0.6},
                     {"top":1,"share":1}],
                   "rows":[1,1,5,1],"columns":[300,0,0,0],
                   "topRows":[{"index":2,"share":0.5}],"topColumns":[{"index":0,"share":0.9}]}}]}],
             "grids":[{"form":"2 bits","codes":[1,2,3,4],"scales":[{"from":0.01,"to":0.02,"count":7}],
               "negativeScales":3,"zeroScales":0}],
             "samples":[{"prompt":"One & \\"two\\"","text":" \\u0007 < three"}]}
            """;

    @TempDir
    Path folder;

    private Document page() throws IOException, SAXException, ParserConfigurationException {
        Path page = ReportFolder.render(folder);
        return DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(Files.readString(page)
                        .replaceFirst("<!DOCTYPE html>", "")
                        .getBytes(StandardCharsets.UTF_8)));
    }

    private static List<String> texts(Document page, String element) {
        List<String> texts = new ArrayList<>();
        NodeList all = page.getElementsByTagName(element);
        for (int i = 0; i < all.getLength(); i++) {
            texts.add(all.item(i).getTextContent());
        }
        return texts;
    }

    @Test
    void aPageIsWellFormedAndHostileNamesStayText() throws Exception {
        Files.writeString(folder.resolve("report.json"), REPORT);
        Document page = page();
        assertThat(page.getElementsByTagName("script").getLength()).isZero();
        assertThat(texts(page, "p").getFirst())
                .isEqualTo("<script>alert(1)</script> quantized by sapr to signed2, 2 bits in groups of 64");
        assertThat(texts(page, "blockquote")).containsExactly("One & \"two\" \uFFFD < three");
    }

    @Test
    void scalesThatFollowTheTokenHaveExpertsAndNoGroups() throws Exception {
        Files.writeString(
                folder.resolve("report.json"),
                REPORT.replace(
                        "\"name\":\"signed2\",\"bits\":2,\"groupSize\":64",
                        "\"name\":\"binary-mos\",\"bits\":1,\"groupSize\":0,\"experts\":8"));
        assertThat(texts(page(), "p").getFirst()).endsWith(" quantized by sapr to binary-mos, scales of 8 experts");
    }

    @Test
    void numbersOfThePageAreThoseOfTheRun() throws Exception {
        Files.writeString(folder.resolve("report.json"), REPORT);
        Document page = page();
        assertThat(texts(page, "b").subList(0, 2)).containsExactly("2.715", "88.12 MB");
        assertThat(texts(page, "title"))
                .contains("block 0: 1, 1", "block 0: 2, 0.2500", "block 0: 0.1250", "code 3: 40", "q: 0.1000, 10");
        assertThat(texts(page, "td")).contains("10 %", "30 %", "60 %", "2 (50 %)", "0 (90 %)");
        assertThat(texts(page, "figcaption")).contains("10 codes.", "7 groups; 42.86 % of the scales are negative.");
    }

    @Test
    void anEvaluationShowsItsNumbersWithIntervalsAndWarnings() throws Exception {
        Files.writeString(folder.resolve("evaluation.json"), """
                {"model":"small","warnings":["too few tokens"],
                 "perplexity":{"value":30.4,"low":29.9,"high":30.9,"convention":"hf"},
                 "divergence":{"kl":{"mean":0.25,"low":0.2,"high":0.3,"p99":4},"top1":{"value":0.8,"low":0.75,"high":0.85},
                   "klByPosition":[{"from":1,"to":3,"mean":0.5},{"from":4,"to":6,"mean":0.25}]},
                 "tasks":[{"name":"piqa","items":200,"acc":0.65,"accStandardError":0.03}],
                 "generation":{"collapsed":true,"reasons":["one character"],
                   "samples":[{"prompt":"A","text":"!\\n\\n\\n\\n\\n!","original":" cat"}]}}
                """);
        Document page = page();
        assertThat(texts(page, "p"))
                .contains("Warning: too few tokens", "Warning: the model's text has collapsed: one character");
        assertThat(texts(page, "td"))
                .containsSequence("perplexity (hf)", "30.40", "29.90 to 30.90")
                .containsSequence("KL divergence, nats a token, mean", "0.2500", "0.2000 to 0.3000")
                .containsSequence("same likeliest token (top-1)", "80 %", "75 to 85 %")
                .containsSequence("piqa", "200", "65 % ± 3", "");
        assertThat(texts(page, "title")).contains("KL: 2, 0.5000", "KL: 5, 0.2500");
        assertThat(texts(page, "blockquote")).containsExactly("A! [5 line feeds] !", "A cat");
    }

    @Test
    void aRunStandsAmongThoseBesideItThatWereMeasuredAlike() throws Exception {
        Path runs = folder;
        evaluated(runs.resolve("a"), 512, 0.5);
        evaluated(runs.resolve("b"), 512, 0.25);
        evaluated(runs.resolve("c"), 256, 0.125);
        folder = runs.resolve("a");
        Document page = page();
        assertThat(texts(page, "h2")).contains("Beside other runs");
        assertThat(texts(page, "title"))
                .contains("a: 3, 0.5000 (0.1000 to 1)", "b: 3, 0.2500 (0.1000 to 1)")
                .noneMatch(t -> t.startsWith("c:"));
        folder = runs.resolve("c");
        assertThat(texts(page(), "h2")).doesNotContain("Beside other runs");
    }

    private static void evaluated(Path run, int window, double kl) throws IOException {
        Files.createDirectories(run);
        Files.writeString(run.resolve("evaluation.json"), """
                {"model":"%s","original":"big","bitsPerWeight":3,"text":{"sha256":"x","window":%d},
                 "perplexity":{"value":30,"low":29,"high":31},"divergence":{"kl":{"mean":%s,"low":0.1,"high":1}}}
                """.formatted(run.getFileName(), window, kl));
    }

    @Test
    void everyDrawingHasANameForThoseWhoDoNotSeeIt() throws Exception {
        Files.writeString(folder.resolve("report.json"), REPORT);
        NodeList drawings = page().getElementsByTagName("svg");
        assertThat(drawings.getLength()).isEqualTo(11);
        for (int i = 0; i < drawings.getLength(); i++) {
            assertThat(((Element) drawings.item(i)).getAttribute("aria-label")).isNotEmpty();
        }
    }

    @Test
    void aSmallPlotIsDrawnExactly() {
        Axis axis = new Axis("up", 0, 1, Axis.Spacing.LINEAR);
        String svg = new Plot("<t>", new Axis("across", 0, 2, Axis.Spacing.LINEAR), axis)
                .line("l", "class=\"s1\"", List.of(new Plot.Point(0, 0), new Plot.Point(2, 1)))
                .svg();
        assertThat(svg)
                .startsWith("<svg class=\"plot\" role=\"img\" viewBox=\"0 0 480 280\" aria-label=\"&lt;t&gt;; across:"
                        + " across; up: up\">\n")
                .contains("<path class=\"grid\" d=\"M58 190.8H466\"/><text text-anchor=\"end\" x=\"52\" y=\"194.8\">"
                        + "0.2</text>")
                .endsWith("<g class=\"s1\"><path class=\"line\" d=\"M58 232L466 26\"><title>l</title></path>"
                        + "<circle class=\"dot\" r=\"2.5\" cx=\"58\" cy=\"232\"><title>l: 0, 0</title></circle>"
                        + "<circle class=\"dot\" r=\"2.5\" cx=\"466\" cy=\"26\"><title>l: 2, 1</title></circle></g>\n"
                        + "</svg>\n");
    }

    @Test
    void aCellOfAMapIsColouredByItsTimesOfTheMean() {
        assertThat(List.of(HeatMap.level(1.4), HeatMap.level(1.5), HeatMap.level(16), HeatMap.level(1e9)))
                .containsExactly(-1, 0, 2, 4);
    }
}
