package dev.salient.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The vocabulary of a {@code tokenizer.json}, as a GGUF file states it: the way back from {@link GgufTokenizerJson}.
 *
 * <p>SentencePiece's scores are found again from the order of merges: a token scores the better, the earlier the first
 * merge that makes it. Whether llama.cpp's rules then give the same ids is tried on the text of every token.
 */
final class JsonVocabulary {
    private static final Pattern BYTE = Pattern.compile("<0x[0-9A-F]{2}>");
    private static final String SPACE = "\u2581";
    /** Tokens whose texts are tried together. */
    private static final int TRIED_TOGETHER = 64;

    private final ObjectNode tree;
    private final JsonTokenizer tokenizer;
    private final Map<Integer, String> tokens;

    JsonVocabulary(ObjectNode tree, JsonNode config) {
        this.tree = tree;
        tokenizer = new JsonTokenizer(tree.deepCopy(), config, tree::deepCopy);
        tokens = new TokenizerJson(tree, Set.of()).tokens(tree);
    }

    /**
     * The vocabulary.
     *
     * @param size rows of the embedding; ids without a token become unused ones
     * @param endId the token that ends a text
     * @throws IllegalArgumentException where a GGUF file can't state it
     */
    GgufVocabulary vocabulary(int size, OptionalInt endId) {
        if (tokenizer.vocabSize() > size) {
            throw new IllegalArgumentException(
                    "got %d tokens, want at most %d, the rows of the embedding".formatted(tokenizer.vocabSize(), size));
        }
        OptionalInt begin = tokenizer.leadingToken().isPresent() ? tokenizer.leadingToken() : tokenizer.beginToken();
        OptionalInt end = tokenizer.endToken().isPresent() ? tokenizer.endToken() : endId;
        if (end.isEmpty()) {
            throw new IllegalArgumentException(
                    "got no token that ends a text, want eos_token in tokenizer_config.json");
        }
        boolean addBos = tokenizer.leadingToken().isPresent();
        JsonNode model = tree.path("model");
        if (!model.path("type").asText("BPE").equals("BPE")) {
            throw new IllegalArgumentException("model.type: got %s, want BPE".formatted(model.path("type")));
        }
        List<String> texts = texts(size);
        GgufVocabulary vocabulary = model.path("byte_fallback").asBoolean()
                ? new GgufVocabulary(
                        "llama",
                        "default",
                        texts,
                        scores(texts),
                        types(size),
                        List.of(),
                        begin,
                        end,
                        tokenizer.findId(model.path("unk_token").asText()),
                        addBos,
                        addsSpace())
                : new GgufVocabulary(
                        "gpt2",
                        byteLevelPre().preferredName(),
                        texts,
                        List.of(),
                        types(size),
                        merges(),
                        begin,
                        end,
                        OptionalInt.empty(),
                        addBos,
                        null);
        expectSameIds(Tokenizers.fromGguf(vocabulary));
        return vocabulary;
    }

    private PreTokenizer byteLevelPre() {
        if (!isAbsent(tree.path("normalizer")) && !composes()) {
            throw unknown("normalizer", "none or NFC");
        }
        PreTokenizer pre = PreTokenizer.find(tree.path("pre_tokenizer"));
        if (pre == null) {
            throw unknown("pre_tokenizer", "that of " + PreTokenizer.preferredNames());
        }
        return pre;
    }

    /** Whether texts are brought to Unicode's composed form first, as Qwen's are; readers of GGUF files leave that out. */
    private boolean composes() {
        return tree.path("normalizer").path("type").asText().equals("NFC");
    }

    private static boolean isAbsent(JsonNode part) {
        return part.isMissingNode() || part.isNull();
    }

    private IllegalArgumentException unknown(String what, String want) {
        String got = tree.path(what).toString();
        return new IllegalArgumentException(
                "%s: got %s, want %s".formatted(what, got.length() > 160 ? got.substring(0, 157) + "..." : got, want));
    }

    /** Whether a text is encoded as if a space stood before it: as LLaMA's files say it, or by a Metaspace. */
    private boolean addsSpace() {
        JsonNode pre = tree.path("pre_tokenizer");
        if (pre.path("type").asText().equals("Metaspace")
                && pre.path("replacement").asText().equals(SPACE)
                && !pre.path("split").asBoolean(true)) {
            return !pre.path("prepend_scheme").asText("always").equals("never");
        }
        JsonNode normalizer = tree.path("normalizer");
        boolean one = normalizer.path("type").asText().equals("Replace"); // Gemma's
        JsonNode steps = normalizer.path("normalizers");
        int count = one ? 1 : steps.size();
        JsonNode last = one ? normalizer : steps.path(count - 1);
        boolean replaces = last.path("type").asText().equals("Replace")
                && last.path("pattern").path("String").asText().equals(" ")
                && last.path("content").asText().equals(SPACE);
        boolean prepends = steps.path(0).path("type").asText().equals("Prepend")
                && steps.path(0).path("prepend").asText().equals(SPACE);
        // cutting at spaces does nothing when none are left
        boolean idle = pre.path("type").asText().equals("Split")
                && pre.path("pattern").path("String").asText().equals(" ");
        if (!(isAbsent(pre) || idle) || !replaces || count != (prepends ? 2 : 1)) {
            throw unknown(isAbsent(pre) || idle ? "normalizer" : "pre_tokenizer", "SentencePiece's");
        }
        return prepends;
    }

    private List<String> texts(int size) {
        List<String> texts = new ArrayList<>(size);
        for (int id = 0; id < size; id++) {
            String text = tokens.get(id);
            texts.add(text == null ? "[PAD" + id + "]" : text);
        }
        return texts;
    }

    private List<Integer> types(int size) {
        Set<String> control = new HashSet<>(tokenizer.controlTokens());
        Set<String> added = new HashSet<>();
        tree.path("added_tokens")
                .forEach(token -> added.add(token.path("content").asText()));
        String unknown = tree.path("model").path("unk_token").asText("");
        boolean fallsBack = tree.path("model").path("byte_fallback").asBoolean();
        List<Integer> types = new ArrayList<>(size);
        for (int id = 0; id < size; id++) {
            String text = tokens.get(id);
            if (text == null) {
                types.add(GgufTokenizerJson.UNUSED);
            } else if (fallsBack && text.equals(unknown)) {
                types.add(GgufTokenizerJson.UNKNOWN);
            } else if (control.contains(text)) {
                types.add(GgufTokenizerJson.CONTROL);
            } else if (added.contains(text)) {
                types.add(GgufTokenizerJson.USER_DEFINED);
            } else {
                boolean isByte = fallsBack && BYTE.matcher(text).matches();
                types.add(isByte ? GgufTokenizerJson.BYTE : GgufTokenizerJson.NORMAL);
            }
        }
        return types;
    }

    private List<String> merges() {
        List<String> merges = new ArrayList<>();
        for (JsonNode merge : tree.path("model").path("merges")) {
            merges.add(
                    merge.isArray()
                            ? merge.path(0).asText() + " " + merge.path(1).asText()
                            : merge.asText());
        }
        return merges;
    }

    private List<Float> scores(List<String> texts) {
        Map<String, Integer> ranks = new HashMap<>();
        for (String merge : merges()) {
            ranks.putIfAbsent(merge.replaceFirst(" ", ""), ranks.size());
        }
        return texts.stream()
                .map(text -> (float) -ranks.getOrDefault(text, ranks.size()))
                .toList();
    }

    /** Fails where other ids come out of the texts of the tokens, one after the other and with spaces between. */
    private void expectSameIds(Tokenizer stated) {
        for (String between : new String[] {"", " "}) {
            StringBuilder text = new StringBuilder();
            for (int id = 0; id < tokenizer.vocabSize(); id++) {
                if (tokens.containsKey(id)) {
                    text.append(tokenizer.decode(new int[] {id})).append(between);
                }
                if (id % TRIED_TOGETHER == TRIED_TOGETHER - 1 || id == tokenizer.vocabSize() - 1) {
                    String all = text.toString();
                    expectSameIds(stated, composes() ? Normalizer.normalize(all, Normalizer.Form.NFC) : all);
                    text.setLength(0);
                }
            }
        }
    }

    private void expectSameIds(Tokenizer stated, String text) {
        if (!java.util.Arrays.equals(stated.encode(text), tokenizer.encode(text))) {
            throw new IllegalArgumentException(
                    "got other ids for \"%s\" by the rules of a GGUF vocabulary, want the tokenizer's own"
                            .formatted(text.length() > 60 ? text.substring(0, 57) + "..." : text));
        }
    }
}
