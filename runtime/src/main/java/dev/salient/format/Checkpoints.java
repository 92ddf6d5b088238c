package dev.salient.format;

import dev.salient.format.gguf.GgufFile;
import dev.salient.format.gguf.GgufModel;
import dev.salient.format.gptq.GptqFolder;
import dev.salient.format.hf.HfConfig;
import dev.salient.format.hf.HfFolder;
import dev.salient.format.json.JsonObject;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;

/**
 * The one door to models on disk.
 *
 * <pre>{@code
 * try (Checkpoint checkpoint = Checkpoints.open(Path.of("SmolLM2-135M"))) {
 *     PackedLanguageModel model = new PackedLanguageModel(checkpoint.weights());
 * }
 * }</pre>
 */
public final class Checkpoints {
    private Checkpoints() {}

    /**
     * Opens a Hugging Face folder (dense, AWQ, AQLM, or GPTQ with or without a PEFT adapter) or a GGUF file.
     *
     * @throws FormatException where a file is not what it should be
     */
    public static Checkpoint open(Path source) throws IOException {
        return open(source, weights -> {});
    }

    /**
     * Opens a model, and lets something be done with its weights while another thread reads the tokenizer.
     *
     * @param meanwhile gets the weights; what it throws comes out of here, with everything closed
     * @throws FormatException where a file is not what it should be
     */
    @SuppressWarnings("MustBeClosedChecker") // the checkpoint closes it
    public static Checkpoint open(Path source, Consumer<ModelWeights> meanwhile) throws IOException {
        Arena arena = Arena.ofShared();
        try {
            return open(source, arena, meanwhile);
        } catch (IOException | RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /** What a model is made of, and what that costs in bits. */
    public static ModelSummary describe(Path source) throws IOException {
        try (Checkpoint checkpoint = open(source)) {
            return describe(checkpoint);
        }
    }

    /** What an open model is made of, and what that costs in bits. */
    public static ModelSummary describe(Checkpoint checkpoint) throws IOException {
        Path source = checkpoint.source();
        return ModelSummary.of(source, checkpoint.weights(), WeightFiles.byteCount(source));
    }

    /** SHA-256 over a model's weight files and configuration, 64 hexadecimal digits. */
    public static String hash(Path source) throws IOException {
        return WeightFiles.hash(weightSource(source));
    }

    /**
     * Looks at every weight, which takes a second per few hundred million.
     *
     * @throws FormatException where one is NaN or infinite
     */
    public static void requireFinite(Checkpoint checkpoint) throws FormatException {
        new FiniteCheck(checkpoint.source()).check(checkpoint.weights());
    }

    /** What people call a model: the last part of its path, or its name on the hub that it was fetched from. */
    public static String name(Path source) {
        Path path = source.toAbsolutePath().normalize();
        Path snapshots = path.getParent();
        Path model = snapshots == null ? null : snapshots.getParent();
        if (snapshots != null && model != null && snapshots.endsWith("snapshots")) {
            String folder = String.valueOf(model.getFileName()); // models--ORG--NAME
            if (folder.startsWith("models--")) {
                return folder.substring(folder.lastIndexOf("--") + 2);
            }
        }
        return String.valueOf(path.getFileName());
    }

    private static Checkpoint open(Path source, Arena arena, Consumer<ModelWeights> meanwhile) throws IOException {
        Path weights = weightSource(source);
        return Files.isDirectory(weights) ? openFolder(weights, arena, meanwhile) : openGguf(weights, arena, meanwhile);
    }

    /** The file, the folder of safetensors, or the only GGUF file in a folder without them. */
    private static Path weightSource(Path source) throws IOException {
        if (Files.isRegularFile(source)) {
            if (source.toString().endsWith(".safetensors")) {
                throw new FormatException("%s: got one safetensors file, want the folder that holds it", source);
            }
            return source;
        }
        if (!Files.isDirectory(source)) {
            throw new FormatException("%s: got no such file or folder", source);
        }
        if (TensorStore.isIn(source)) {
            return source;
        }
        List<Path> files = ggufFiles(source);
        if (files.isEmpty()) {
            throw HfFolder.noWeights(source);
        }
        if (files.size() > 1) {
            throw new FormatException("%s: got %d .gguf files, want the path of one of them", source, files.size());
        }
        return files.getFirst();
    }

    private static List<Path> ggufFiles(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".gguf"))
                    .sorted()
                    .toList();
        }
    }

    private static Checkpoint openGguf(Path source, Arena arena, Consumer<ModelWeights> meanwhile) throws IOException {
        GgufFile file = GgufFile.open(source, arena);
        try (Besides<Tokenizer> tokenizer = new Besides<>(file::findTokenizer)) {
            ModelWeights weights = GgufModel.read(file, arena);
            meanwhile.accept(weights);
            Checkpoint checkpoint =
                    new Checkpoint(source, weights, tokenizer.get(), file.findChatTemplate(), file.endTokens(), arena);
            file.letGoOfMetadata();
            return checkpoint;
        }
    }

    private static Checkpoint openFolder(Path source, Arena arena, Consumer<ModelWeights> meanwhile)
            throws IOException {
        if (!Files.isRegularFile(source.resolve(HfFolder.CONFIG))) {
            throw new FormatException("%s: got no config.json beside the weights", source);
        }
        JsonObject json = JsonObject.read(source.resolve(HfFolder.CONFIG));
        ModelConfig config = HfConfig.read(json);
        try (Besides<Tokenizer> besides = new Besides<>(() -> HfFolder.findTokenizer(source))) {
            ModelWeights weights = GptqFolder.read(source, json, config, arena);
            meanwhile.accept(weights);
            Tokenizer tokenizer = besides.get();
            return new Checkpoint(
                    source,
                    weights,
                    tokenizer,
                    HfFolder.findChatTemplate(source),
                    HfFolder.endTokens(source, tokenizer),
                    arena);
        }
    }
}
