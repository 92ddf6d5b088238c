package dev.salient.format.hf;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Checkpoint;
import dev.salient.format.gguf.GgufFile;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.json.JsonObject;
import dev.salient.tokenizer.GgufVocabulary;
import dev.salient.tokenizer.Tokenizers;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;

/** Gives a new folder what a model has beside its weights. */
public final class HfCopy {
    private static final List<String> TOKENIZER_FILES = List.of(
            HfFolder.TOKENIZER,
            HfFolder.TOKENIZER_CONFIG,
            HfFolder.CHAT_TEMPLATE,
            "special_tokens_map.json",
            "added_tokens.json",
            "tokenizer.model",
            "vocab.json",
            "merges.txt");
    private static final List<String> LICENCES = List.of("LICENSE", "LICENCE", "NOTICE", "USE_POLICY", "COPYING");
    private static final String CARD = "README.md";

    private final Checkpoint original;
    private final Path source;
    private final Path target;

    /**
     * A copy that is still to be made.
     *
     * @param original from a folder, or from a GGUF file that stands for its metadata alone
     * @param target the new folder
     */
    public HfCopy(Checkpoint original, Path target) {
        this.original = original;
        this.source = original.source();
        this.target = target;
    }

    private boolean fromFolder() {
        return Files.isDirectory(source);
    }

    /**
     * Copies tokenizer, generation settings, licences and model card.
     *
     * @param note what was done to the model, for the card
     */
    public void copyBesides(String note) throws IOException {
        if (fromFolder()) {
            for (String name : TOKENIZER_FILES) {
                copy(name);
            }
            copy(HfFolder.GENERATION_CONFIG);
            copyLicences();
        } else {
            writeFromGguf();
        }
        JsonFiles.writeText(target.resolve(CARD), card(note));
    }

    private void writeFromGguf() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            GgufVocabulary vocabulary = GgufFile.open(source, arena).findVocabulary();
            if (vocabulary != null) {
                Tokenizers.writeJson(vocabulary, target, original.chatTemplate());
            }
        }
        if (!original.endTokens().isEmpty()) {
            ObjectNode generation = JsonNodeFactory.instance.objectNode();
            putEndTokens(generation);
            JsonFiles.write(target.resolve(HfFolder.GENERATION_CONFIG), generation);
        }
    }

    private void copy(String name) throws IOException {
        if (Files.isRegularFile(source.resolve(name))) {
            Files.copy(source.resolve(name), target.resolve(name), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private void copyLicences() throws IOException {
        try (var files = Files.list(source)) {
            for (Path file : files.sorted().toList()) {
                String name = String.valueOf(file.getFileName());
                if (LICENCES.stream().anyMatch(name::startsWith)) {
                    copy(name);
                }
            }
        }
    }

    private String card(String note) throws IOException {
        Path card = source.resolve(CARD);
        String said = "> **Changed from the original:** " + note.strip().replace("\n", "\n> ") + "\n";
        if (!fromFolder() || !Files.isRegularFile(card)) {
            return (fromFolder() ? "" : licenceHeader()) + "# " + source.getFileName() + "\n\n" + said;
        }
        String text = Files.readString(card);
        int end = text.startsWith("---\n") ? text.indexOf("\n---\n", 3) : -1;
        int at = end < 0 ? 0 : end + "\n---\n".length();
        return text.substring(0, at) + "\n" + said + "\n" + text.substring(at);
    }

    /** The licence that a GGUF file names, as the head of a model card; empty where it names none. */
    private String licenceHeader() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            String licence = GgufFile.open(source, arena).findText("general.license");
            return licence == null ? "" : "---\nlicense: " + licence.replace("\n", " ") + "\n---\n";
        }
    }

    private void putEndTokens(ObjectNode json) {
        List<Integer> ids = original.endTokens();
        if (ids.size() == 1) {
            json.put("eos_token_id", ids.getFirst());
        } else if (!ids.isEmpty()) {
            ArrayNode list = json.putArray("eos_token_id");
            ids.forEach(list::add);
        }
    }

    /** The model's {@code config.json}: its own, or one made from its sizes. */
    public ObjectNode config() throws IOException {
        if (!fromFolder()) {
            return madeConfig();
        }
        JsonObject own = JsonObject.read(source.resolve(HfFolder.CONFIG));
        if (!HfConfig.isStoredOtherwise(own)) {
            return own.toNode();
        }
        // what we write has a tensor for each linear: the family that computes alike reads that
        ObjectNode json = own.toNode();
        json.remove(List.of("auto_map", "rope_parameters", "rope_scaling", "original_max_position_embeddings"));
        ObjectNode made = HfConfigJson.of(original.weights().config());
        made.remove("torch_dtype");
        json.setAll(made);
        return json;
    }

    private ObjectNode madeConfig() {
        ObjectNode json = HfConfigJson.of(original.weights().config());
        putEndTokens(json);
        return json;
    }
}
