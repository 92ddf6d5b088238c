package dev.salient.format.hf;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import dev.salient.tokenizer.Tokenizer;
import dev.salient.tokenizer.Tokenizers;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What lies beside the weights in a Hugging Face folder: tokenizer, chat template, end tokens. */
public final class HfFolder {
    public static final String CONFIG = "config.json";
    public static final String GENERATION_CONFIG = "generation_config.json";
    public static final String TOKENIZER = "tokenizer.json";
    public static final String TOKENIZER_CONFIG = "tokenizer_config.json";
    public static final String CHAT_TEMPLATE = "chat_template.jinja";

    private HfFolder() {}

    /** The chat template: a file of its own, or a field of {@code tokenizer_config.json}; null where there is none. */
    public static @Nullable String findChatTemplate(Path folder) throws IOException {
        if (Files.isRegularFile(folder.resolve(CHAT_TEMPLATE))) {
            try {
                return Files.readString(folder.resolve(CHAT_TEMPLATE));
            } catch (CharacterCodingException e) {
                throw new FormatException("%s: got bytes that are no UTF-8, want a Jinja template", CHAT_TEMPLATE);
            }
        }
        JsonObject config = findObject(folder.resolve(TOKENIZER_CONFIG));
        JsonNode template = config == null ? null : config.find("chat_template");
        if (config == null || template == null) {
            return null;
        }
        if (template.isTextual()) {
            return template.textValue();
        }
        for (JsonNode named : template) {
            if (named.path("name").asText().equals("default")
                    && named.path("template").isTextual()) {
                return named.path("template").textValue();
            }
        }
        throw config.wrong("chat_template", "a string, or a list of templates of which one is named default");
    }

    /** The ids that end a text, from {@code generation_config.json}, {@code config.json} and the tokenizer's eos. */
    public static List<Integer> endTokens(Path folder, @Nullable Tokenizer tokenizer) throws IOException {
        Set<Integer> ids = new LinkedHashSet<>();
        for (String file : List.of(GENERATION_CONFIG, CONFIG)) {
            JsonObject object = findObject(folder.resolve(file));
            if (object != null) {
                ids.addAll(object.intsOf("eos_token_id"));
            }
        }
        JsonObject config = findObject(folder.resolve(TOKENIZER_CONFIG));
        JsonNode eos = config == null ? null : config.find("eos_token");
        if (eos != null && tokenizer != null) {
            String text =
                    eos.isTextual() ? eos.textValue() : eos.path("content").asText();
            tokenizer.findId(text).ifPresent(ids::add);
        }
        return new ArrayList<>(ids);
    }

    /** The licence that the head of the model card names; null where there is none. */
    public static @Nullable String findLicence(Path folder) throws IOException {
        Path card = folder.resolve("README.md");
        if (!Files.isRegularFile(card)) {
            return null;
        }
        String text = Files.readString(card);
        int end = text.startsWith("---\n") ? text.indexOf("\n---", 3) : -1;
        return text.substring(0, Math.max(0, end))
                .lines()
                .filter(line -> line.startsWith("license:"))
                .map(line -> line.substring("license:".length()).strip())
                .filter(licence -> !licence.isEmpty())
                .findFirst()
                .orElse(null);
    }

    /** The tokenizer beside the weights; null where there is none. */
    public static @Nullable Tokenizer findTokenizer(Path folder) throws IOException {
        Path json = folder.resolve(TOKENIZER);
        if (!Files.isRegularFile(json)) {
            return null;
        }
        Path config = folder.resolve(TOKENIZER_CONFIG);
        try {
            return Tokenizers.fromJson(json, Files.isRegularFile(config) ? config : null);
        } catch (IOException e) {
            throw new FormatException("%s", String.valueOf(e.getMessage()));
        }
    }

    private static @Nullable JsonObject findObject(Path file) throws IOException {
        return Files.isRegularFile(file) ? JsonObject.read(file) : null;
    }

    /** The error that a folder holds weights in a form that can't be read. */
    public static FormatException noWeights(Path folder) throws IOException {
        List<String> others = new ArrayList<>();
        try (var files = Files.list(folder)) {
            files.map(file -> String.valueOf(file.getFileName()))
                    .filter(name -> name.endsWith(".bin") || name.endsWith(".pt") || name.endsWith(".pth"))
                    .sorted()
                    .forEach(others::add);
        }
        if (others.isEmpty()) {
            return new FormatException(
                    "%s: got no weights, want model.safetensors, its index, or a .gguf file", folder);
        }
        return new FormatException(
                "%s: got %s, a pickle, which can run code when read; want model.safetensors:"
                        + " convert it with Transformers' save_pretrained",
                folder, others.getFirst());
    }
}
