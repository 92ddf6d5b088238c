package dev.salient.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.ModelSummary;
import dev.salient.measure.Evaluation;
import dev.salient.model.PackedLanguageModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The models of an evaluation, open until all is measured.
 *
 * @param all in the user's order; one with the original's weights shares its model
 * @param original that they are compared with, or null
 */
record OpenModels(List<OpenModel> all, @Nullable OpenModel original) implements AutoCloseable {
    static final String MANIFEST = "salient-run.json";

    /** Enough that two keys never meet, and short enough for a folder's name. */
    private static final int KEY_DIGITS = 32;

    OpenModels {
        all = List.copyOf(all);
    }

    /**
     * One of them.
     *
     * @param path where the user says it is
     * @param sha256 of weights and configuration
     */
    record OpenModel(Path path, String sha256, Checkpoint checkpoint, PackedLanguageModel model) {
        String name() {
            return OpenModels.name(path);
        }

        int context() {
            return model.config().contextLength();
        }

        Evaluation.Subject subject(@Nullable String original) throws IOException {
            ModelSummary summary = Checkpoints.describe(checkpoint);
            String version = Root.Version.find();
            return new Evaluation.Subject(
                    name(),
                    sha256,
                    original,
                    version == null ? "development" : version,
                    summary.bitsPerWeight(),
                    summary.weightFileBytes());
        }

        private void close() {
            model.close();
            checkpoint.close();
        }
    }

    static OpenModels open(List<Path> paths, @Nullable Path against, int threads) throws IOException {
        List<OpenModel> all = new ArrayList<>();
        OpenModel original = null;
        try {
            original = against == null ? null : open(against, threads);
            for (Path path : paths) {
                if (original != null && Checkpoints.hash(path).equals(original.sha256)) {
                    all.add(new OpenModel(path, original.sha256, original.checkpoint, original.model));
                } else {
                    all.add(open(path, threads));
                }
            }
            return new OpenModels(all, original);
        } catch (IOException | RuntimeException e) {
            close(all, original);
            throw e;
        }
    }

    private static OpenModel open(Path path, int threads) throws IOException {
        String hash = Checkpoints.hash(path);
        Checkpoint checkpoint = Checkpoints.open(path);
        return new OpenModel(path, hash, checkpoint, new PackedLanguageModel(checkpoint.weights(), threads));
    }

    /** What a model is called in tables. */
    static String name(Path path) {
        return Checkpoints.name(path);
    }

    /** Whether quantize wrote this folder. */
    static boolean isRun(Path path) {
        return Files.isRegularFile(path.resolve(MANIFEST));
    }

    List<String> names() {
        return all.stream().map(OpenModel::name).toList();
    }

    /** The one whose tokenizer cuts the text: the original, or the first. */
    OpenModel first() {
        return original == null ? all.getFirst() : original;
    }

    /** Whether a model has the original's weights, and so is the same one. */
    boolean isOriginal(OpenModel model) {
        return original != null && model.model == original.model;
    }

    List<OpenModel> withOriginal() {
        List<OpenModel> models = new ArrayList<>(all);
        if (original != null) {
            models.add(original);
        }
        return models;
    }

    /** The shortest context of all. */
    int context() {
        return withOriginal().stream().mapToInt(OpenModel::context).min().orElseThrow();
    }

    /** A name for what a model makes of a text, from all that this depends on. */
    String key(OpenModel model, String text) {
        String all = "1 %s %s %s %s"
                .formatted(model.sha256, original == null ? "none" : original.sha256, text, Root.Version.find());
        return new Sha256().with(all.getBytes(UTF_8)).hex().substring(0, KEY_DIGITS);
    }

    @Override
    public void close() {
        close(all, original);
    }

    private static void close(List<OpenModel> all, @Nullable OpenModel original) {
        for (OpenModel model : all) {
            if (original == null || model.model != original.model) {
                model.close();
            }
        }
        if (original != null) {
            original.close();
        }
    }
}
