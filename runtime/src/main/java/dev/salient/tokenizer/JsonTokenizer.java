package dev.salient.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/** A tokenizer made from a {@code tokenizer.json}, run by the reference library. */
final class JsonTokenizer implements Tokenizer {
    private final TokenizerJson json;
    private final RustTokenizer plain;
    private final RustTokenizer withControlTokens;
    private final Map<Integer, String> tokens;
    private final Map<String, Integer> ids;
    private final int vocabSize;
    private final OptionalInt beginToken;
    private final OptionalInt endToken;
    private final OptionalInt leadingToken;

    /**
     * Builds both uses of the tokenizer.
     *
     * @param config {@code tokenizer_config.json}, an empty object where there is none
     * @throws IllegalArgumentException where the reference library refuses the tree
     */
    JsonTokenizer(ObjectNode tree, JsonNode config) {
        json = new TokenizerJson(tree, namedTokens(config));
        tokens = json.tokens(tree);
        if (tokens.isEmpty()) {
            throw new IllegalArgumentException("model.vocab: got no tokens, want at least one");
        }
        ids = new HashMap<>();
        tokens.forEach((id, text) -> ids.put(text, id));
        vocabSize = Collections.max(tokens.keySet()) + 1;
        // each takes a quarter of a second: side by side they delay the first token half as long
        CompletableFuture<RustTokenizer> besides =
                CompletableFuture.supplyAsync(() -> new RustTokenizer(json.forPlainText(tree)));
        withControlTokens = new RustTokenizer(json.withControlTokens(tree));
        plain = result(besides);
        beginToken = find(tokenText(config.path("bos_token")));
        endToken = find(tokenText(config.path("eos_token")));
        leadingToken = leadingToken(config.path("add_bos_token"));
    }

    private static RustTokenizer result(CompletableFuture<RustTokenizer> future) {
        try {
            return future.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw e;
        }
    }

    /** What the configuration says; otherwise what the tokenizer's own template does. */
    private OptionalInt leadingToken(JsonNode addBos) {
        if (addBos.isBoolean() && (!addBos.booleanValue() || beginToken.isPresent())) {
            return addBos.booleanValue() ? beginToken : OptionalInt.empty();
        }
        int[] bare = withControlTokens.encode("a");
        int[] framed = withControlTokens.encodeInTemplate("a");
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

    private OptionalInt find(@Nullable String token) {
        Integer id = token == null ? null : ids.get(token);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    @Override
    public int[] encode(String text) {
        return plain.encode(text);
    }

    @Override
    public int[] encodeWithControlTokens(String text) {
        return withControlTokens.encode(text);
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
                ? withControlTokens.encode(all)
                : plain.encode(hidden.toString());
    }

    @Override
    public List<String> controlTokens() {
        return json.controlTokens();
    }

    @Override
    public String decode(int[] ids) {
        return withControlTokens.decode(ids);
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
