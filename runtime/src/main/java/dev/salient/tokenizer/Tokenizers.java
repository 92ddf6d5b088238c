package dev.salient.tokenizer;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * The door to tokenizers.
 *
 * <pre>{@code
 * Tokenizer tokenizer = Tokenizers.fromJson(folder.resolve("tokenizer.json"), null);
 * int[] ids = tokenizer.encode("Once upon a time");
 * }</pre>
 */
public final class Tokenizers {
    private Tokenizers() {}

    /** Made when it is first used: it loads 500 classes, which a GGUF file can do without. */
    private static final class Json {
        static final ObjectMapper MAPPER = new ObjectMapper();
    }

    /**
     * Reads a Hugging Face tokenizer.
     *
     * @param tokenizerJson {@code tokenizer.json}; it is read once more when control tokens are first encoded
     * @param tokenizerConfig {@code tokenizer_config.json}, which names BOS and EOS, or null
     * @throws IOException with the file's name where one cannot be read or is not what it should be
     */
    public static Tokenizer fromJson(Path tokenizerJson, @Nullable Path tokenizerConfig) throws IOException {
        ObjectNode tree = read(tokenizerJson);
        JsonNode config = tokenizerConfig == null ? JsonNodeFactory.instance.objectNode() : read(tokenizerConfig);
        try {
            return new JsonTokenizer(tree, config, () -> readAgain(tokenizerJson));
        } catch (IllegalArgumentException e) {
            throw new IOException(tokenizerJson + ": " + e.getMessage(), e);
        }
    }

    private static ObjectNode readAgain(Path file) {
        try {
            return read(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * The vocabulary of a Hugging Face tokenizer as a GGUF file states it.
     *
     * @param size rows of the model's embedding
     * @param endId the token that ends a text, where the configuration names none
     * @throws IOException with the file's name where a GGUF file can't state it
     */
    public static GgufVocabulary toGguf(Path tokenizerJson, @Nullable Path tokenizerConfig, int size, OptionalInt endId)
            throws IOException {
        ObjectNode tree = read(tokenizerJson);
        JsonNode config = tokenizerConfig == null ? JsonNodeFactory.instance.objectNode() : read(tokenizerConfig);
        try {
            return new JsonVocabulary(tree, config).vocabulary(size, endId);
        } catch (IllegalArgumentException e) {
            throw new IOException(tokenizerJson + ": " + e.getMessage(), e);
        }
    }

    private static ObjectNode read(Path file) throws IOException {
        try {
            if (Json.MAPPER.readTree(Files.readString(file)) instanceof ObjectNode object) {
                return object;
            }
        } catch (NoSuchFileException e) {
            throw new IOException(file + ": got no such file, want a JSON file", e);
        } catch (JacksonException e) {
            throw new IOException(file + ": got no JSON: " + e.getOriginalMessage(), e);
        }
        throw new IOException(file + ": got JSON that is no object, want an object");
    }

    /**
     * Makes a tokenizer from the vocabulary of a GGUF file; it gives the ids that llama.cpp gives.
     *
     * @throws IllegalArgumentException where the vocabulary is of a kind that is not supported
     */
    public static Tokenizer fromGguf(GgufVocabulary vocabulary) {
        GgufTokenizerJson json = new GgufTokenizerJson(vocabulary);
        return new JsonTokenizer(json.tree(), json.config(), () -> new GgufTokenizerJson(vocabulary).tree());
    }

    /**
     * Writes a GGUF vocabulary as Hugging Face's {@code tokenizer.json} and {@code tokenizer_config.json}.
     *
     * @param chatTemplate kept in the configuration, or null
     */
    public static void writeJson(GgufVocabulary vocabulary, Path folder, @Nullable String chatTemplate)
            throws IOException {
        GgufTokenizerJson json = new GgufTokenizerJson(vocabulary);
        ObjectNode config = json.config();
        if (chatTemplate != null) {
            config.put("chat_template", chatTemplate);
        }
        Files.write(folder.resolve("tokenizer.json"), Json.MAPPER.writeValueAsBytes(json.tree()));
        Files.write(
                folder.resolve("tokenizer_config.json"),
                Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsBytes(config));
    }
}
