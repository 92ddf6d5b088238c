package dev.salient.report;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.salient.report.Page.Cell;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The page {@code report.html} of a run's folder, made of the files beside it: {@code report.json}, which the run wrote,
 * and {@code evaluation.json}, where it was evaluated.
 */
public final class ReportFolder {
    private static final ObjectMapper JSON = new ObjectMapper();

    private ReportFolder() {}

    /**
     * Writes the page anew; a folder that has neither file gets none.
     *
     * @return the page, which is there only if there was something to show
     */
    public static Path render(Path folder) throws IOException {
        JsonNode report = read(folder.resolve("report.json"));
        JsonNode evaluation = read(folder.resolve("evaluation.json"));
        Path page = folder.resolve("report.html");
        if (!report.isMissingNode() || !evaluation.isMissingNode()) {
            String name = String.valueOf(folder.toAbsolutePath().normalize().getFileName());
            write(page, html(name, report, evaluation, around(folder, evaluation)));
        }
        return page;
    }

    /**
     * A page of saliencies alone.
     *
     * @param report {@code name}, {@code run} and {@code blocks} as in {@code report.json}
     */
    public static String saliencyPage(JsonNode report) {
        Page page = new Page(report.path("name").asText() + ": saliency");
        new SaliencySections(report, page).write();
        new RunSections(report, page).settings();
        return page.html("Which weights matter to the loss");
    }

    /** The run among those beside it; null where it was not evaluated, or alone. */
    private static @Nullable ModelComparison around(Path folder, JsonNode evaluation) throws IOException {
        if (evaluation.isMissingNode()) {
            return null;
        }
        ModelComparison comparison = ModelComparison.around(folder);
        return comparison.models().size() > 1 ? comparison : null;
    }

    private static String html(String name, JsonNode report, JsonNode evaluation, @Nullable ModelComparison around) {
        Page page = new Page(name);
        RunSections run = new RunSections(report, page);
        QualitySections quality = new QualitySections(evaluation, page);
        page.tiles(tiles(report, evaluation));
        quality.warnings();
        quality.measures();
        if (around != null) {
            page.heading("Beside other runs");
            around.figures(page);
        }
        run.training();
        run.tuning();
        run.errors();
        new SaliencySections(report, page).write();
        run.codes();
        run.samples();
        quality.samples();
        run.settings();
        return page.html(subtitle(report));
    }

    private static String subtitle(JsonNode report) {
        JsonNode run = report.path("run");
        JsonNode grid = run.at("/method/grid");
        if (run.isMissingNode()) {
            return "Evaluated by Salient";
        }
        return run.path("method").isMissingNode()
                ? run.at("/model/name").asText() + ", quantized by others, tuned end to end by Salient"
                : "%s quantized by %s to %s, %s%s"
                        .formatted(
                                run.at("/model/name").asText(),
                                run.at("/method/name").asText(),
                                grid.path("name").asText(),
                                grid.has("experts")
                                        ? "scales of %s experts"
                                                .formatted(grid.path("experts").asText())
                                        : "%s bits in groups of %s"
                                                .formatted(
                                                        grid.path("bits").asText(),
                                                        grid.path("groupSize").asText()),
                                run.has("tunings") ? ", then tuned end to end" : "");
    }

    private static List<Cell> tiles(JsonNode report, JsonNode evaluation) {
        List<Cell> tiles = new ArrayList<>();
        JsonNode sizes = report.path("sizes");
        tile(
                tiles,
                "bits per weight of the block linears",
                sizes.path("bitsPerWeight"),
                evaluation.path("bitsPerWeight"));
        JsonNode bytes = sizes.has("weightBytes") ? sizes.path("weightBytes") : evaluation.path("weightBytes");
        if (bytes.isNumber()) {
            tiles.add(Cell.text(Markup.bytes(bytes.asDouble())));
            tiles.add(Cell.text(
                    sizes.has("originalWeightBytes")
                            ? "of weight files; the original's: "
                                    + Markup.bytes(
                                            sizes.path("originalWeightBytes").asDouble())
                            : "of weight files"));
        }
        tile(tiles, "perplexity", evaluation.at("/perplexity/value"), MissingNode.getInstance());
        tile(tiles, "KL divergence, nats a token", evaluation.at("/divergence/kl/mean"), MissingNode.getInstance());
        JsonNode top = evaluation.at("/divergence/top1/value");
        if (top.isNumber()) {
            tiles.add(Cell.text(Markup.percent(top.asDouble())));
            tiles.add(Cell.text("same likeliest token"));
        }
        tile(tiles, "tokens a second", evaluation.at("/speed/decodeTokensPerSecond"), MissingNode.getInstance());
        return tiles;
    }

    private static void tile(List<Cell> tiles, String name, JsonNode value, JsonNode otherwise) {
        JsonNode shown = value.isNumber() ? value : otherwise;
        if (shown.isNumber()) {
            tiles.add(Cell.text(Markup.number(shown.asDouble())));
            tiles.add(Cell.text(name));
        }
    }

    /**
     * A JSON file; missing where there is none.
     *
     * @throws IllegalArgumentException where it is no JSON
     */
    static JsonNode read(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            return MissingNode.getInstance();
        }
        try {
            return JSON.readTree(Files.readAllBytes(file));
        } catch (JacksonException e) {
            throw new IllegalArgumentException("%s: got broken JSON, want what Salient wrote".formatted(file), e);
        }
    }

    /** Writes under a temporary name and moves into place. */
    private static void write(Path file, String text) throws IOException {
        Path part = file.resolveSibling(file.getFileName() + ".part");
        Files.writeString(part, text, UTF_8);
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }
}
