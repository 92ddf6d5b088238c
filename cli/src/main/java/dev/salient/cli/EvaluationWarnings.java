package dev.salient.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.cli.OpenModels.OpenModel;
import dev.salient.corpus.NgramOverlap;
import dev.salient.format.Checkpoint;
import dev.salient.format.json.JsonObject;
import dev.salient.model.IntactKv;
import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Finds what would fool a reader of the numbers. */
final class EvaluationWarnings {
    /** From this share of the measured text on, an overlap is no coincidence. */
    private static final double SHARE = 0.001;

    /** Fewer windows than these are too few to draw again. */
    private static final int WINDOWS = 8;

    private final OpenModels models;
    private final EvaluationText text;
    private final List<Path> calibration;
    private final List<String> notes = new ArrayList<>();

    /** @param calibration texts that the user names */
    EvaluationWarnings(OpenModels models, EvaluationText text, List<Path> calibration) {
        this.models = models;
        this.text = text;
        this.calibration = List.copyOf(calibration);
    }

    /** What could not be checked, so far. */
    List<String> notes() {
        return List.copyOf(notes);
    }

    List<String> of(OpenModel model) throws IOException {
        List<String> lines = new ArrayList<>();
        addCalibration(lines, model);
        OpenModel original = models.original();
        if (original != null && original.context() != model.context()) {
            lines.add("made for a context of %d tokens, the original for %d"
                    .formatted(model.context(), original.context()));
        }
        String unused = findUnused(model.checkpoint(), text.leading());
        if (unused != null) {
            lines.add(unused);
        }
        int windows = text.description().windows();
        if (windows == 1) {
            lines.add("one window: no interval can be given");
        } else if (windows < WINDOWS) {
            lines.add("%d windows: intervals of fewer than %d are rough".formatted(windows, WINDOWS));
        }
        return lines;
    }

    /** Says where a model keeps keys and values of tokens that no window begins with; perplexity says so too. */
    static @Nullable String findUnused(Checkpoint checkpoint, int[] leading) throws IOException {
        IntactKv intact = checkpoint.weights().intact();
        if (intact == null || intact.agreeing(leading) == intact.tokens().size()) {
            return null;
        }
        Tokenizer tokenizer = checkpoint.expectTokenizer();
        String tokens = intact.tokens().stream().map(tokenizer::token).collect(Collectors.joining());
        return "keeps the original's keys and values of %s, with which windows do not begin: --leading-tokens has them do so"
                .formatted(tokens);
    }

    private void addCalibration(List<String> lines, OpenModel model) throws IOException {
        List<Path> files = new ArrayList<>(calibration);
        for (String name : manifestTexts(model)) {
            if (text.files().stream().map(OpenModels::name).anyMatch(name::equals)) {
                lines.add("calibrated on a text of the same name, %s".formatted(name));
            }
            Path file = find(name);
            if (file != null) {
                files.add(file);
            } else if (calibration.isEmpty()) {
                notes.add("%s was calibrated on %s, which is not here: overlap with the text is not checked;"
                                .formatted(model.name(), name)
                        + " --calibration FILE does");
            }
        }
        for (Path file : files) {
            NgramOverlap overlap = NgramOverlap.of(text.words(), readString(file));
            if (overlap.share() >= SHARE) {
                lines.add(String.format(
                        Locale.ROOT,
                        "calibration and evaluation overlap: %.1f %% of the text's runs of %d words stand in %s",
                        100 * overlap.share(),
                        NgramOverlap.WORDS,
                        OpenModels.name(file)));
            }
        }
    }

    private static String readString(Path file) throws IOException {
        try {
            return Files.readString(file);
        } catch (java.nio.charset.CharacterCodingException e) {
            throw new IOException(file + ": got no UTF-8, want a UTF-8 text", e);
        }
    }

    /** A text of this name in the working folder or beside the measured text. */
    private @Nullable Path find(String name) {
        List<Path> places = new ArrayList<>(List.of(Path.of(name)));
        text.files().forEach(file -> places.add(file.resolveSibling(name)));
        return places.stream().filter(Files::isRegularFile).findFirst().orElse(null);
    }

    /** The names of the texts that a run was calibrated on. */
    private static List<String> manifestTexts(OpenModel model) throws IOException {
        if (!OpenModels.isRun(model.path())) {
            return List.of();
        }
        JsonNode names =
                JsonObject.read(model.path().resolve(OpenModels.MANIFEST)).find("calibration");
        String texts = names == null ? "" : names.path("text").asText();
        return texts.isEmpty() || texts.equals("written by the model itself") ? List.of() : List.of(texts.split(", "));
    }
}
