package dev.salient.format;

import java.io.IOException;
import java.nio.file.Path;

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
     * Opens a Hugging Face folder (dense, or GPTQ with or without a PEFT adapter) or a GGUF file.
     *
     * @throws FormatException where a file is not what it should be
     */
    @SuppressWarnings("DoNotCallSuggester")
    public static Checkpoint open(Path source) throws IOException {
        throw new FormatException("%s: got a format that is not read yet", source);
    }
}
