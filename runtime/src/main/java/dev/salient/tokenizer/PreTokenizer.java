package dev.salient.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** How byte-level BPE cuts a text into words first: what a GGUF file names in {@code tokenizer.ggml.pre}. */
enum PreTokenizer {
    GPT2("gpt-2 phi-2"),
    SMOLLM("smollm starcoder"),
    LLAMA3("llama-bpe llama3 llama-v3"),
    QWEN2("qwen2"),
    DEFAULT("default");

    private static final String GPT2_WORDS =
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    private static final String LLAMA3_WORDS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    private static final String QWEN2_WORDS = LLAMA3_WORDS.replace("\\p{N}{1,3}", "\\p{N}");

    private final String names;

    /**
     * A way to cut.
     *
     * @param names that mean it, with spaces between
     */
    PreTokenizer(String names) {
        this.names = names;
    }

    /**
     * The pre-tokenizer of that name; no name means the default.
     *
     * @throws IllegalArgumentException where the name is not known
     */
    static PreTokenizer expect(String name) {
        for (PreTokenizer pre : values()) {
            if (List.of(pre.names.split(" ")).contains(name)) {
                return pre;
            }
        }
        if (name.isEmpty()) {
            return DEFAULT;
        }
        String known = Arrays.stream(values()).map(pre -> pre.names).collect(Collectors.joining(" "));
        throw new IllegalArgumentException(
                "tokenizer.ggml.pre: got %s, want one of %s".formatted(name, known.replace(" ", ", ")));
    }

    /** The pre-tokenizer of a tokenizer.json, but for what changes no ids; null where it has no name in GGUF files. */
    static @Nullable PreTokenizer find(JsonNode json) {
        JsonNode wanted = plain(json);
        for (PreTokenizer pre : values()) {
            if (plain(pre.json()).equals(wanted)) {
                return pre;
            }
        }
        return null;
    }

    /** The tree without what changes no ids, or is left at its default. */
    private static JsonNode plain(JsonNode json) {
        JsonNode copy = json.deepCopy();
        for (JsonNode parent : copy.findParents("type")) {
            if (parent instanceof ObjectNode part) {
                part.remove("trim_offsets");
                if (part.path("use_regex").asBoolean()) {
                    part.remove("use_regex");
                }
                if (!part.path("invert").asBoolean(true)) {
                    part.remove("invert");
                }
            }
        }
        return copy;
    }

    /** The name that a file that we write gives it. */
    String preferredName() {
        return names.split(" ", 2)[0];
    }

    static String preferredNames() {
        return Arrays.stream(values()).map(PreTokenizer::preferredName).collect(Collectors.joining(", "));
    }

    /** Whether a word that is a token needs no merges: rare tokens of LLaMA 3 have none. */
    boolean ignoresMerges() {
        return this == LLAMA3;
    }

    /** Whether a text starts with BOS where the file doesn't say. */
    boolean addsBos() {
        return this == LLAMA3;
    }

    /** The {@code pre_tokenizer} of a tokenizer.json. */
    ObjectNode json() {
        return switch (this) {
            case GPT2 -> byteLevel(true);
            case SMOLLM -> sequence(digits(), byteLevel(true));
            case LLAMA3 -> sequence(split(LLAMA3_WORDS), byteLevel(false));
            case QWEN2 -> sequence(split(QWEN2_WORDS), byteLevel(false));
            case DEFAULT ->
                sequence(
                        split("[\\p{P}\\$\\+<=>\\^~\\|]+"),
                        split(GPT2_WORDS),
                        split("\\p{N}+"),
                        split("[0-9][0-9][0-9]"),
                        byteLevel(false));
        };
    }

    private static ObjectNode object(String type) {
        return JsonNodeFactory.instance.objectNode().put("type", type);
    }

    private static ObjectNode sequence(ObjectNode... parts) {
        ObjectNode sequence = object("Sequence");
        ArrayNode list = sequence.putArray("pretokenizers");
        for (ObjectNode part : parts) {
            list.add(part);
        }
        return sequence;
    }

    private static ObjectNode digits() {
        return object("Digits").put("individual_digits", true);
    }

    private static ObjectNode byteLevel(boolean cutsWords) {
        return object("ByteLevel")
                .put("add_prefix_space", false)
                .put("trim_offsets", true)
                .put("use_regex", cutsWords);
    }

    private static ObjectNode split(String regex) {
        ObjectNode split = object("Split").put("behavior", "Isolated").put("invert", false);
        split.putObject("pattern").put("Regex", regex);
        return split;
    }
}
