package dev.salient.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.security.SecureRandom;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
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

    private final Set<String> controlTokens;
    private final String firstCharacters;
    private final @Nullable Pattern anyControlToken;
    private final String secret = Long.toHexString(new SecureRandom().nextLong());

    TokenizerJson(ObjectNode tree, Set<String> namedTokens) {
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
        firstCharacters = controlTokens.stream()
                .filter(token -> !token.isEmpty())
                .map(token -> token.substring(0, 1))
                .distinct()
                .collect(Collectors.joining());
        anyControlToken = controlTokens.isEmpty()
                ? null
                : Pattern.compile(controlTokens().stream().map(Pattern::quote).collect(Collectors.joining("|")));
    }

    /** Control tokens, longer ones first. */
    List<String> controlTokens() {
        return controlTokens.stream()
                .sorted(Comparator.comparingInt(String::length).reversed().thenComparing(Comparator.naturalOrder()))
                .toList();
    }

    /** The text with its control tokens spelled as the tokenizer for plain text knows them. */
    String hideControlTokens(String text) {
        return anyControlToken == null
                ? text
                : anyControlToken.matcher(text).replaceAll(match -> Matcher.quoteReplacement(hidden(match.group())));
    }

    /** Whether a token of that name ends a text in every model that has one. */
    static boolean endsText(String token) {
        return ENDS.contains(token);
    }

    /** The text of each id. */
    Map<Integer, String> tokens(ObjectNode tree) {
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

    /**
     * The tokenizer as the file describes it, with every control token marked as special and nothing cut or padded.
     *
     * @param tree is changed: a copy of it would be most of what opening a small model takes
     */
    String withControlTokens(ObjectNode tree) {
        for (JsonNode token : tree.path("added_tokens")) {
            if (controlTokens.contains(token.path("content").asText())) {
                ((ObjectNode) token).put("special", true);
            }
        }
        putAddedTokens(tree);
        return text(tree);
    }

    /**
     * The same tokenizer for plain text: no text can become a control token, every other text has the same ids.
     *
     * <p>Only {@link #hideControlTokens} spells control tokens so that this tokenizer takes them for such.
     *
     * @param tree is changed
     */
    String forPlainText(ObjectNode tree) {
        tree.putNull("post_processor");
        if (tree.get("model") instanceof ObjectNode model) {
            hideInModel(model);
        }
        for (JsonNode token : tree.path("added_tokens")) {
            String content = token.path("content").asText();
            if (controlTokens.contains(content)) {
                ((ObjectNode) token)
                        .put("content", hidden(content))
                        .put("normalized", false)
                        .put("special", true);
            }
        }
        putAddedTokens(tree);
        return text(tree);
    }

    private static String text(ObjectNode tree) {
        tree.putNull("truncation");
        tree.putNull("padding");
        return JsonText.of(tree);
    }

    /** Renames control tokens in the vocabulary to what no text can reach, and drops the merges that lead to one. */
    private void hideInModel(ObjectNode model) {
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
            merges.removeIf(this::hasControlToken);
        }
    }

    /** Puts added tokens into the vocabulary too: the library numbers those it doesn't find there by its own count. */
    private static void putAddedTokens(ObjectNode tree) {
        if (tree.path("model").path("vocab") instanceof ObjectNode vocab) {
            for (JsonNode token : tree.path("added_tokens")) {
                vocab.set(token.path("content").asText(), token.path("id"));
            }
        }
    }

    /** A name that is in no merge, and that nobody can write who doesn't know this process's secret. */
    private String hidden(String token) {
        return "\uF8FF" + secret + token + secret + "\uF8FF";
    }

    /** Whether a merge makes a control token, or begins with one or ends in one. */
    private boolean hasControlToken(JsonNode merge) {
        if (merge.isArray()) {
            return hasControlToken(merge.path(0).asText(), merge.path(1).asText());
        }
        String text = merge.asText();
        int space = text.indexOf(' ');
        return space < 0
                ? controlTokens.contains(text)
                : hasControlToken(text.substring(0, space), text.substring(space + 1));
    }

    private boolean hasControlToken(String left, String right) {
        return (mayBegin(left) && (controlTokens.contains(left) || controlTokens.contains(left + right)))
                || (mayBegin(right) && controlTokens.contains(right));
    }

    /** Whether a control token begins as this does: nearly no text of a vocabulary, and it is quickly told. */
    private boolean mayBegin(String text) {
        return !text.isEmpty() && firstCharacters.indexOf(text.charAt(0)) >= 0;
    }
}
