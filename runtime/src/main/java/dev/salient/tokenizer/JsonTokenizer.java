package dev.salient.tokenizer;

import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A tokenizer made from a {@code tokenizer.json}, run by the reference library.
 *
 * <p>One for plain text does nearly all; the one that takes control tokens for such is built when it is first needed: each costs
 * a quarter of a second and, with 49,000 tokens, 17 MB.
 */
final class JsonTokenizer implements Tokenizer {
    private final TokenizerJson json;
    private final RustTokenizer plain;
    private final Map<Integer, String> tokens;
    private final int vocabSize;
    private final OptionalInt beginToken;
    private final OptionalInt endToken;
    private final OptionalInt leadingToken;

    /** The tree once more; null when it was needed. */
    private @Nullable Supplier<ObjectNode> again;

    private @Nullable RustTokenizer withControlTokens;

    /**
     * Builds the tokenizer.
     *
     * @param tree is changed
     * @param config {@code tokenizer_config.json}, an empty object where there is none
     * @param again gives the same tree later, so that it need not be kept
     * @throws IllegalArgumentException where the reference library refuses the tree
     */
    JsonTokenizer(ObjectNode tree, JsonNode config, Supplier<ObjectNode> again) {
        this.again = again;
        json = new TokenizerJson(tree, namedTokens(config));
        tokens = json.tokens(tree);
        if (tokens.isEmpty()) {
            throw new IllegalArgumentException("model.vocab: got no tokens, want at least one");
        }
        vocabSize = Collections.max(tokens.keySet()) + 1;
        beginToken = find(tokenText(config.path("bos_token")));
        endToken = find(tokenText(config.path("eos_token")));
        leadingToken = leadingToken(
                config.path("add_bos_token"), tree.path("post_processor").isObject());
        plain = new RustTokenizer(json.forPlainText(tree));
    }

    private synchronized RustTokenizer withControlTokens() {
        RustTokenizer known = withControlTokens;
        if (known == null) {
            known = new RustTokenizer(
                    json.withControlTokens(requireNonNull(again).get()));
            withControlTokens = known;
            again = null;
        }
        return known;
    }

    /** What the configuration says; otherwise what the tokenizer's own template does, where it has one. */
    private OptionalInt leadingToken(JsonNode addBos, boolean hasTemplate) {
        if (addBos.isBoolean() && (!addBos.booleanValue() || beginToken.isPresent())) {
            return addBos.booleanValue() ? beginToken : OptionalInt.empty();
        }
        if (!hasTemplate) {
            return OptionalInt.empty();
        }
        int[] bare = withControlTokens().encode("a");
        int[] framed = withControlTokens().encodeInTemplate("a");
        boolean leads = framed.length > bare.length && (bare.length == 0 || framed[0] != bare[0]);
        return leads ? OptionalInt.of(framed[0]) : OptionalInt.empty();
    }

    private static Set<String> namedTokens(JsonNode config) {
        Set<String> named = new HashSet<>();
        for (String key : new String[] {"bos_token", "eos_token", "unk_token", "pad_token"}) {
            String text = tokenText(config.path(key));
            if (text != null) {
                named.add(text);
            }
        }
        for (JsonNode token : config.path("additional_special_tokens")) {
            String text = tokenText(token);
            if (text != null) {
                named.add(text);
            }
        }
        return named;
    }

    /** A token is written as its text or as an object around it. */
    private static @Nullable String tokenText(JsonNode token) {
        JsonNode text = token.isObject() ? token.path("content") : token;
        return text.isTextual() ? text.textValue() : null;
    }

    private OptionalInt find(@Nullable String text) {
        return tokens.entrySet().stream()
                .filter(token -> token.getValue().equals(text))
                .mapToInt(Map.Entry::getKey)
                .max();
    }

    @Override
    public int[] encode(String text) {
        return plain.encode(text);
    }

    @Override
    public int[] encodeWithControlTokens(String text) {
        return withControlTokens().encode(text);
    }

    /**
     * Where control tokens are the same with and without trust, this is the whole text's own encoding; otherwise those
     * of trusted parts are spelled as only the plain tokenizer knows them.
     */
    @Override
    public int[] encodeParts(List<TextPart> parts) {
        StringBuilder whole = new StringBuilder();
        StringBuilder hidden = new StringBuilder();
        for (TextPart part : parts) {
            whole.append(part.text());
            hidden.append(part.trusted() ? json.hideControlTokens(part.text()) : part.text());
        }
        String all = whole.toString();
        return json.hideControlTokens(all).contentEquals(hidden)
                ? withControlTokens().encode(all)
                : plain.encode(hidden.toString());
    }

    @Override
    public List<String> controlTokens() {
        return json.controlTokens();
    }

    @Override
    public String decode(int[] ids) {
        return plain.decode(ids);
    }

    @Override
    public String token(int id) {
        String token = tokens.get(id);
        if (token == null) {
            throw new IllegalArgumentException("token: got id %d, want one of the vocabulary's %d, 0 to %d"
                    .formatted(id, tokens.size(), vocabSize - 1));
        }
        return token;
    }

    @Override
    public int vocabSize() {
        return vocabSize;
    }

    @Override
    public OptionalInt leadingToken() {
        return leadingToken;
    }

    @Override
    public OptionalInt findId(String token) {
        return find(token);
    }

    @Override
    public OptionalInt beginToken() {
        return beginToken;
    }

    @Override
    public OptionalInt endToken() {
        return endToken;
    }
}
