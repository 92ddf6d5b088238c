package dev.salient.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The pages in a real browser, headless Chromium, where there is one: what a reader would see. */
class BrowserTest {
    private static final int BLOCKS = 30;
    private static final List<String> LINEARS = List.of("q", "k", "v", "o", "gate", "up", "down");

    @TempDir
    Path folder;

    private Path chromium = Path.of("chromium");

    @BeforeEach
    void findChromium() {
        List<Path> found = Stream.of("chromium", "chromium-browser", "google-chrome")
                .flatMap(name -> Stream.of(System.getenv("PATH").split(File.pathSeparator, -1))
                        .map(folder -> Path.of(folder, name)))
                .filter(Files::isExecutable)
                .toList();
        if (found.isEmpty()) {
            System.out.println("skipped: got no chromium on the path, want it to look at the pages");
            Assumptions.abort("no chromium");
        }
        chromium = found.getFirst();
    }

    @ParameterizedTest
    @CsvSource({"390, light", "390, dark", "1280, light", "1280, dark"})
    void aRunsReportIsReadable(int width, String scheme) throws Exception {
        Files.writeString(folder.resolve("report.json"), report());
        Files.writeString(folder.resolve("evaluation.json"), evaluation("small", 0.25, 2.7));
        ReportFolder.render(folder);
        // 30 losses and errors of blocks, saliency shares of 7 linears and 2 maps of each block, codes, scales, KL
        assertReadable(width, scheme, 20);
    }

    @ParameterizedTest
    @CsvSource({"390, light", "390, dark", "1280, light"})
    void aComparisonIsReadable(int width, String scheme) throws Exception {
        List<Path> runs = Stream.of("a-rather-long-name-of-a-run-that-somebody-chose", "b", "c")
                .map(folder::resolve)
                .toList();
        for (int i = 0; i < runs.size(); i++) {
            Files.createDirectories(runs.get(i));
            Files.writeString(runs.get(i).resolve("evaluation.json"), evaluation("m" + i, 0.5 / (i + 1), 2 + i));
        }
        Files.writeString(
                folder.resolve("report.html"), ModelComparison.of(runs).page());
        assertReadable(width, scheme, 2);
    }

    private void assertReadable(int width, String scheme, int drawings) throws Exception {
        JsonNode seen = look(width, scheme);
        assertThat(seen.path("width").asInt()).isEqualTo(width);
        assertThat(seen.path("overflow").asInt())
                .as("pixels to scroll sideways")
                .isLessThanOrEqualTo(0);
        assertThat(seen.path("loaded").asInt()).as("things loaded").isZero();
        assertThat(seen.path("drawings").asInt()).as("drawings").isGreaterThanOrEqualTo(drawings);
        assertThat(seen.path("empty").asInt()).as("drawings without room").isZero();
        assertThat(seen.path("cut")).as("labels beyond their drawing").isEmpty();
        assertThat(seen.path("faint")).as("texts of a contrast below 4.5").isEmpty();
        assertThat(seen.path("tiny")).as("texts below 8 pixels").isEmpty();
        assertThat(seen.path("ground").asDouble() < 0.5).as("dark").isEqualTo(scheme.equals("dark"));
    }

    /** What the probe page, which holds the report in a frame of that width, finds. */
    private JsonNode look(int width, String scheme) throws IOException, InterruptedException {
        try (InputStream probe = Objects.requireNonNull(BrowserTest.class.getResourceAsStream("probe.html"))) {
            String page = new String(probe.readAllBytes(), StandardCharsets.UTF_8)
                    .replace("WIDTH", String.valueOf(width))
                    .replace("SCHEME", scheme);
            Files.writeString(folder.resolve("probe.html"), page);
        }
        Path dump = folder.resolve("dump.html");
        Path errors = folder.resolve("errors.txt");
        Process browser = new ProcessBuilder(
                        chromium.toString(),
                        "--headless",
                        "--no-sandbox", // in a container of root's there is none
                        "--disable-gpu",
                        "--disable-background-networking",
                        "--disable-component-update",
                        "--no-first-run",
                        "--allow-file-access-from-files", // the probe looks into the frame
                        "--user-data-dir=" + folder.resolve("profile"),
                        "--window-size=1400,1000",
                        "--virtual-time-budget=20000",
                        "--dump-dom",
                        folder.resolve("probe.html").toUri().toString())
                .redirectOutput(dump.toFile())
                .redirectError(errors.toFile())
                .start();
        if (!browser.waitFor(2, TimeUnit.MINUTES)) {
            browser.destroyForcibly().waitFor();
        }
        Matcher seen = Pattern.compile("<pre id=\"seen\">(\\{.*?})</pre>").matcher(Files.readString(dump));
        assertThat(seen.find())
                .as("what the probe saw; the browser said:%n%s", Files.readString(errors))
                .isTrue();
        return new ObjectMapper()
                .readTree(
                        seen.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"));
    }

    /** A report of SmolLM2's size. */
    private static String report() {
        String blocks = IntStream.range(0, BLOCKS).mapToObj(BrowserTest::block).collect(Collectors.joining(","));
        return """
                {"run":{"model":{"name":"SmolLM2-135M-Instruct.Q4_1.gguf","sha256":"%1$s"},
                  "method":{"name":"sapr","grid":{"name":"signed2","bits":2,"groupSize":64},"rank":8,"alpha":16},
                  "calibration":{"source":"c4.utf8","sha256":"%1$s","windows":16,"tokens":512},"seed":1},
                 "sizes":{"bitsPerWeight":2.715,"weightBytes":88123456,"originalWeightBytes":269000000},
                 "blocks":[%2$s],
                 "grids":[{"form":"2 bit g64","codes":[10,4000000,30000000,200],
                     "scales":[%3$s],"negativeScales":1234,"zeroScales":0},
                   {"form":"8 bit g64","codes":[%4$s],"scales":[%3$s],"negativeScales":0,"zeroScales":0}],
                 "samples":[{"prompt":"Once upon a time","text":" there was a little girl. She liked to play."}]}
                """.formatted(
                        "0123456789abcdef".repeat(4),
                        blocks,
                        IntStream.range(0, 24)
                                .mapToObj("{\"from\":%1$d.5e-3,\"to\":%1$d.9e-3,\"count\":1000000}"::formatted)
                                .collect(Collectors.joining(",")),
                        IntStream.range(0, 256).mapToObj(String::valueOf).collect(Collectors.joining(",")));
    }

    private static String block(int block) {
        String numbers = IntStream.range(0, 48)
                .mapToObj(i -> i % 7 == 0 ? "1234.5" : "1")
                .collect(Collectors.joining(","));
        String linears = LINEARS.stream()
                .map(name -> """
                {"name":"%s","form":"2 bit g64","bitsPerWeight":2.746,"relativeError":0.1234,
                 "saliency":{"mean":1.234e-7,"topOnePercent":0.3,
                   "concentration":[{"top":0.001,"share":0.1},{"top":0.01,"share":0.3},{"top":0.1,"share":0.6},
                     {"top":1,"share":1}],
                   "rows":[%s],"columns":[%s],
                   "topRows":[{"index":1234,"share":0.5},{"index":7,"share":0.01}],"topColumns":[{"index":0,"share":0.9}]}}
                """.formatted(name, numbers, numbers))
                .collect(Collectors.joining(","));
        return """
                {"block":%d,"relativeError":0.125,"curve":[
                  {"stage":"wpt","epoch":0,"outputLoss":8.25e-4,"preservation":1e-9},
                  {"stage":"mixed","epoch":1,"outputLoss":2.25e-4,"preservation":1e-9},
                  {"stage":"opt","epoch":2,"outputLoss":1.25e-4,"preservation":1e-9}],"linears":[%s]}
                """.formatted(block, linears);
    }

    private static String evaluation(String model, double kl, double bits) {
        return """
                {"model":"%1$s","original":"SmolLM2-135M-Instruct.Q4_1.gguf","warnings":["too few tokens for that"],
                 "bitsPerWeight":%3$s,"weightBytes":88123456,"speed":{"decodeTokensPerSecond":51.6},
                 "text":{"name":"wiki.test.raw","sha256":"ab","window":512,"stride":512,"windows":64,"tokens":32704},
                 "perplexity":{"value":230.4,"low":229.9,"high":230.9,"convention":"hf"},
                 "divergence":{"kl":{"mean":%2$s,"low":0.1,"high":0.6,"p99":4},
                   "top1":{"value":0.8,"low":0.75,"high":0.85},
                   "klByPosition":[%4$s]},
                 "tasks":[{"name":"hellaswag","items":200,"acc":0.65,"accStandardError":0.03,"accNorm":0.6,
                   "accNormStandardError":0.03}],
                 "generation":{"collapsed":true,"reasons":["one character"],
                   "samples":[{"prompt":"A","text":"%5$s","original":" cat"}]}}
                """.formatted(
                        model,
                        kl,
                        bits,
                        IntStream.range(0, 9)
                                .mapToObj(i -> "{\"from\":%d,\"to\":%d,\"mean\":%s}"
                                        .formatted(1 << i, (2 << i) - 1, 2.0 / (i + 1)))
                                .collect(Collectors.joining(",")),
                        "!".repeat(400));
    }
}
