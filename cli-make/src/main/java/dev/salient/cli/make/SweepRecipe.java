package dev.salient.cli.make;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.salient.format.FormatException;
import dev.salient.format.json.JsonFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Runs that are to be compared. Files are named relative to the recipe's own folder.
 *
 * <pre>{@code
 * {"model": "model.gguf", "calibration": ["c4.txt"], "text": "wiki.test.raw",
 *  "quantize": ["--samples", "16"], "evaluate": ["--windows", "8", "--window", "512"], "seeds": [1, 2, 3],
 *  "runs": [{"name": "rtn", "quantize": ["--method", "rtn"]},
 *           {"name": "best", "quantize": ["--method", "block-ap"], "tune": ["--samples", "64"]},
 *           {"name": "scales", "from": "best", "tune": ["--method", "scales"]}]}
 * }</pre>
 *
 * @param model a Hugging Face folder or a GGUF file
 * @param calibration texts to quantize and tune on; without, each model writes its own to quantize on
 * @param text held out, to evaluate on
 * @param quantize options of every run's {@code quantize}
 * @param evaluate options of every {@code evaluate}
 */
record SweepRecipe(
        String model,
        List<String> calibration,
        String text,
        List<String> quantize,
        List<String> evaluate,
        List<Long> seeds,
        List<Run> runs) {
    /** What comes behind the name of a model that was tuned. */
    private static final String TUNED = "-tuned";

    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();

    SweepRecipe {
        require(model != null, "model: got none, want a model");
        require(text != null, "text: got none, want a held-out text");
        require(runs != null && !runs.isEmpty(), "runs: got none, want at least one");
        calibration = calibration == null ? List.of() : List.copyOf(calibration);
        quantize = quantize == null ? List.of() : List.copyOf(quantize);
        evaluate = evaluate == null ? List.of() : List.copyOf(evaluate);
        seeds = seeds == null || seeds.isEmpty() ? List.of(0L) : List.copyOf(seeds);
        runs = List.copyOf(runs);
        require(seeds.stream().distinct().count() == seeds.size(), "seeds: got %s, want numbers that differ", seeds);
        require(
                runs.stream().allMatch(run -> run.tune == null) || !calibration.isEmpty(),
                "calibration: got none, want texts: tune learns from them");
        Set<String> folders = new HashSet<>();
        for (Run run : runs) {
            if (run.from != null) {
                require(
                        folders.contains(folder(run.from, seeds, seeds.getFirst())),
                        "runs: %s: got from %s, want the name of a run before it",
                        run.name,
                        run.from);
            }
            for (String folder : folders(run, seeds)) {
                require(folders.add(folder), "runs: got two models for the folder %s, want other names", folder);
            }
        }
    }

    /**
     * One way to quantize.
     *
     * @param name of its folders
     * @param quantize options beside those of all runs
     * @param tune options of a {@code tune} after it, or null for none
     * @param from another run before it, whose quantized model this one tunes instead of quantizing for itself; or null
     */
    record Run(
            String name,
            @Nullable List<String> quantize,
            @Nullable List<String> tune,
            @Nullable String from) {
        Run {
            if (from != null) {
                require(
                        quantize == null && tune != null,
                        "runs: %s: got from %s, want a tune and no quantize with it",
                        name,
                        from);
            }
            require(
                    name != null && name.matches("[A-Za-z0-9][A-Za-z0-9._-]*"),
                    "runs: got name %s, want letters, digits, dots and dashes",
                    name);
        }
    }

    private static List<String> folders(Run run, List<Long> seeds) {
        List<String> folders = new ArrayList<>();
        for (long seed : seeds) {
            String folder = folder(run.name, seeds, seed);
            folders.add(folder);
            if (run.tune != null && run.from == null) {
                folders.add(folder + TUNED);
            }
        }
        return folders;
    }

    private static String folder(String name, List<Long> seeds, long seed) {
        return seeds.size() == 1 ? name : name + "-" + seed;
    }

    /**
     * Reads a recipe.
     *
     * @throws FormatException where a field is missing, unknown or out of its range
     */
    static SweepRecipe read(Path file) throws IOException {
        return JsonFiles.read(file, MAPPER, SweepRecipe.class, "recipe");
    }

    /**
     * One model to make and to measure.
     *
     * @param group the run whose seeds are taken together
     * @param folder its name
     * @param make the command line that makes it
     */
    record Model(String group, String folder, List<String> make) {}

    /**
     * All models, each after those that it is made of.
     *
     * @param base the recipe's folder
     * @param out where the models go
     */
    List<Model> models(Path base, Path out) {
        List<Model> models = new ArrayList<>();
        for (Run run : runs) {
            for (long seed : seeds) {
                String folder = folder(run.name, seeds, seed);
                if (run.from != null) {
                    Path start = out.resolve(folder(run.from, seeds, seed));
                    models.add(new Model(run.name, folder, tune(run, base, start, out.resolve(folder), seed)));
                    continue;
                }
                List<String> make = new ArrayList<>(List.of("quantize", in(base, model)));
                make.addAll(quantize);
                make.addAll(run.quantize == null ? List.of() : run.quantize);
                models.add(new Model(run.name, folder, finished(make, out.resolve(folder), texts(base), seed)));
                if (run.tune != null) {
                    String tuned = folder + TUNED;
                    List<String> tune = tune(run, base, out.resolve(folder), out.resolve(tuned), seed);
                    models.add(new Model(run.name + TUNED, tuned, tune));
                }
            }
        }
        return models;
    }

    /**
     * The folders of some runs' models, and of the models that those are made of.
     *
     * @param names of runs; empty: of all
     * @throws IllegalArgumentException where the recipe has no run of a name
     */
    Set<String> folders(List<String> names) {
        Set<String> wanted = new HashSet<>(names);
        Set<String> folders = new HashSet<>();
        for (Run run : runs.reversed()) { // a run's start comes before it
            if (!names.isEmpty() && !wanted.remove(run.name)) {
                continue;
            }
            folders.addAll(folders(run, seeds));
            if (run.from != null) {
                wanted.add(run.from);
            }
        }
        require(
                names.isEmpty() || wanted.isEmpty(),
                "--only: got %s, want names of the recipe's runs: %s",
                wanted.stream().sorted().collect(Collectors.joining(", ")),
                runs.stream().map(Run::name).collect(Collectors.joining(", ")));
        return folders;
    }

    private List<String> texts(Path base) {
        return calibration.stream().map(text -> in(base, text)).toList();
    }

    private List<String> tune(Run run, Path base, Path start, Path out, long seed) {
        List<String> tune = new ArrayList<>(List.of("tune", start.toString(), "--original", in(base, model)));
        tune.addAll(Objects.requireNonNull(run.tune));
        return finished(tune, out, texts(base), seed);
    }

    private static List<String> finished(List<String> command, Path out, List<String> texts, long seed) {
        List<String> whole = new ArrayList<>(command);
        whole.addAll(List.of("--out", out.toString(), "--seed", String.valueOf(seed)));
        if (!texts.isEmpty()) {
            whole.add("--calibration");
            whole.addAll(texts);
        }
        return whole;
    }

    /** The files that the recipe names, as paths. */
    List<Path> files(Path base) {
        List<Path> files = new ArrayList<>(List.of(base.resolve(model), base.resolve(text)));
        calibration.forEach(file -> files.add(base.resolve(file)));
        return files;
    }

    /** The command line that measures a model. */
    List<String> evaluation(Path base, Path folder) {
        List<String> command = new ArrayList<>(
                List.of("evaluate", folder.toString(), "--against", in(base, model), "--text", in(base, text)));
        command.addAll(evaluate);
        return command;
    }

    private static String in(Path base, String file) {
        return base.resolve(file).normalize().toString();
    }
}
