package dev.salient.examples;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.generate.Ending;
import dev.salient.generate.Generation;
import dev.salient.generate.Sampling;
import dev.salient.generate.Session;
import dev.salient.model.PackedLanguageModel;
import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Consumer;

/** Loads a model and continues a text, piece by piece: {@code StreamText MODEL "Once upon a time"}. */
public final class StreamText {
    private StreamText() {}

    public static void main(String[] args) throws IOException {
        Generation generation = stream(Path.of(args[0]), args[1], System.out::print);
        System.out.printf("%n(%d tokens, ended by %s)%n", generation.ids().size(), generation.reason());
    }

    /**
     * Continues a prompt.
     *
     * @param model a Hugging Face folder or a GGUF file
     * @param sink receives the text as soon as it is certain
     */
    static Generation stream(Path model, String prompt, Consumer<String> sink) throws IOException {
        try (Checkpoint checkpoint = Checkpoints.open(model);
                PackedLanguageModel packed = new PackedLanguageModel(checkpoint.weights())) {
            Tokenizer tokenizer = checkpoint.expectTokenizer();
            try (Session session = new Session(packed, tokenizer, 512)) {
                Sampling sampling = Sampling.of(0.8, 0.95, 1); // temperature, top-p, seed
                Ending ending = Ending.of(100, checkpoint.endTokens());
                return session.generate(tokenizer.encodePrompt(prompt), sampling, ending, sink);
            }
        }
    }
}
