package dev.salient.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The tree of a {@code tokenizer.json}, and its two uses: with control tokens, and for plain text without them.
 *
 * <p>A control token is one that the file calls special, that the configuration names as one (BOS, EOS, ...), or that is
 * looks like one: {@code <|like this|>}, or the usual names for an end, which some files forget to mark.
 */
final class TokenizerJson {
    private static final Pattern MARKER = Pattern.compile("<\\|[^|]+\\|>");

    private static final Set<String> ENDS = Set.of(
            "</s>", "<eos>", "<end_of_turn>", "<end_of_utterance>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<turn|>");

    private final ObjectNode tree;
    private final Set<String> controlTokens;

    TokenizerJson(ObjectNode tree, Set<String> namedTokens) {
        this.tree = tree;
        this.controlTokens = new HashSet<>();
        for (JsonNode token : tree.path("added_tokens")) {
            String content = token.path("content").asText();
            if (token.path("special").asBoolean()
                    || namedTokens.contains(content)
                    || MARKER.matcher(content).matches()
                    || endsText(content)) {
                controlTokens.add(content);
            }
        }
    }

    /** Whether a token of that name ends a text in every model that has one. */
    static boolean endsText(String token) {
        return ENDS.contains(token);
    }

    /** The text of each id. */
    Map<Integer, String> tokens() {
        Map<Integer, String> tokens = new HashMap<>();
        JsonNode vocab = tree.path("model").path("vocab");
        if (vocab.isArray()) {
            for (int i = 0; i < vocab.size(); i++) {
                tokens.put(i, vocab.get(i).path(0).asText());
            }
        } else {
            vocab.properties().forEach(entry -> tokens.put(entry.getValue().asInt(), entry.getKey()));
        }
        for (JsonNode token : tree.path("added_tokens")) {
            tokens.put(token.path("id").asInt(), token.path("content").asText());
        }
        return tokens;
    }

    /** The tokenizer as the file describes it, with every control token marked as special and nothing cut or padded. */
    String withControlTokens() {
        ObjectNode copy = tree.deepCopy();
        copy.putNull("truncation");
        copy.putNull("padding");
        for (JsonNode token : copy.path("added_tokens")) {
            if (controlTokens.contains(token.path("content").asText())) {
                ((ObjectNode) token).put("special", true);
            }
        }
        putAddedTokens(copy, text -> text);
        return copy.toString();
    }

    /** The same tokenizer for plain text: no text can become a control token, every other text has the same ids. */
    String forPlainText() {
        ObjectNode copy = tree.deepCopy();
        copy.putNull("truncation");
        copy.putNull("padding");
        copy.putNull("post_processor");
        ArrayNode kept = JsonNodeFactory.instance.arrayNode();
        for (JsonNode token : copy.path("added_tokens")) {
            if (!controlTokens.contains(token.path("content").asText())) {
                kept.add(token);
            }
        }
        copy.set("added_tokens", kept);
        if (copy.get("model") instanceof ObjectNode model) {
            hideControlTokens(model);
        }
        putAddedTokens(copy, this::hiddenIfControl);
        return copy.toString();
    }

    /** Renames control tokens in the vocabulary to what no text can reach, and drops the merges that lead to one. */
    private void hideControlTokens(ObjectNode model) {
        JsonNode vocab = model.path("vocab");
        if (vocab instanceof ObjectNode byText) {
            for (String token : controlTokens) {
                byText.remove(token);
            }
        } else {
            for (JsonNode entry : vocab) {
                String text = entry.path(0).asText();
                if (controlTokens.contains(text) && entry instanceof ArrayNode pair) {
                    pair.set(0, hidden(text));
                }
            }
        }
        if (controlTokens.contains(model.path("unk_token").asText())) {
            model.put("unk_token", hidden(model.path("unk_token").asText()));
        }
        if (model.path("merges") instanceof ArrayNode merges) {
            merges.removeIf(merge -> controlTokens.contains(product(merge)));
        }
    }

    /** Puts added tokens into the vocabulary too: the library numbers those it doesn't find there by its own count. */
    private void putAddedTokens(ObjectNode copy, UnaryOperator<String> name) {
        if (copy.path("model").path("vocab") instanceof ObjectNode vocab) {
            for (JsonNode token : tree.path("added_tokens")) {
                vocab.set(name.apply(token.path("content").asText()), token.path("id"));
            }
        }
    }

    private String hiddenIfControl(String token) {
        return controlTokens.contains(token) ? hidden(token) : token;
    }

    /** Private-use characters around the name: in no merge, and in no text that anybody writes. */
    private static String hidden(String token) {
        return "\uF8FF\uE000" + token + "\uE000\uF8FF";
    }

    private static @Nullable String product(JsonNode merge) {
        if (merge.isArray()) {
            return merge.path(0).asText() + merge.path(1).asText();
        }
        return merge.asText().replaceFirst(" ", "");
    }
}
