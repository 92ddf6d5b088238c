package dev.salient.tokenizer;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/**
 * A GGUF vocabulary, written as the {@code tokenizer.json} that gives the same ids as llama.cpp.
 *
 * <p>SentencePiece merges whichever neighbours make the token of the highest score. As BPE that is: one merge for each
 * way to cut a token in two tokens, ranked by the score of the whole.
 */
final class GgufTokenizerJson {
    static final int NORMAL = 1;
    static final int UNKNOWN = 2;
    static final int CONTROL = 3;
    static final int USER_DEFINED = 4;
    static final int UNUSED = 5;
    static final int BYTE = 6;

    private static final String SPACE = "\u2581";

    private final GgufVocabulary vocabulary;
    private final Map<String, Integer> ids;
    /** The name of each id: its text, where no other has the same. */
    private final String[] names;

    GgufTokenizerJson(GgufVocabulary vocabulary) {
        this.vocabulary = vocabulary;
        List<String> tokens = vocabulary.tokens();
        ids = HashMap.newHashMap(tokens.size());
        names = new String[tokens.size()];
        for (int id = 0; id < names.length; id++) {
            String text = tokens.get(id);
            name(id, text.isEmpty() ? "[EMPTY_" + id + "]" : text);
        }
    }

    private void name(int id, String name) {
        names[id] = name;
        Integer earlier = ids.put(name, id);
        if (earlier != null) {
            name(earlier, "[" + name + "_" + earlier + "]");
        }
    }

    /** The whole tree. */
    ObjectNode tree() {
        ObjectNode tree = JsonNodeFactory.instance.objectNode().put("version", "1.0");
        tree.putNull("truncation");
        tree.putNull("padding");
        tree.set("added_tokens", addedTokens());
        switch (vocabulary.model()) {
            case "gpt2" -> describeByteLevel(tree);
            case "llama" -> describeSentencePiece(tree);
            default ->
                throw new IllegalArgumentException(
                        "tokenizer.ggml.model: got %s, want gpt2 or llama".formatted(vocabulary.model()));
        }
        return tree;
    }

    /** What the tree has no place for: which tokens begin and end a text. */
    ObjectNode config() {
        ObjectNode config = JsonNodeFactory.instance.objectNode();
        config.put("tokenizer_class", "PreTrainedTokenizerFast");
        config.put("add_bos_token", addsBos());
        config.put("clean_up_tokenization_spaces", false);
        putToken(config, "bos_token", bosId());
        putToken(config, "eos_token", orElse(vocabulary.eosId(), 2));
        putToken(config, "unk_token", orElse(vocabulary.unkId(), 0));
        return config;
    }

    private void putToken(ObjectNode config, String key, OptionalInt id) {
        if (id.isPresent()) {
            config.put(key, vocabulary.tokens().get(id.getAsInt()));
        }
    }

    private boolean isSentencePiece() {
        return vocabulary.model().equals("llama");
    }

    /** SentencePiece vocabularies have their first three tokens in known places where the file names none. */
    private OptionalInt orElse(OptionalInt named, int usual) {
        if (named.isPresent()
                || !isSentencePiece()
                || usual >= vocabulary.tokens().size()) {
            return named;
        }
        return OptionalInt.of(usual);
    }

    private OptionalInt bosId() {
        return orElse(vocabulary.bosId(), 1);
    }

    private boolean addsBos() {
        Boolean stated = vocabulary.addBos();
        if (stated != null) {
            return stated;
        }
        return isSentencePiece() || PreTokenizer.expect(vocabulary.pre()).addsBos();
    }

    private int type(String token, int id) {
        if (TokenizerJson.endsText(token)) {
            return CONTROL;
        }
        return vocabulary.tokenTypes().isEmpty()
                ? NORMAL
                : vocabulary.tokenTypes().get(id);
    }

    private ArrayNode addedTokens() {
        ArrayNode added = JsonNodeFactory.instance.arrayNode();
        for (int id = 0; id < names.length; id++) {
            int type = type(names[id], id);
            if (type == CONTROL || type == UNKNOWN || type == USER_DEFINED) {
                added.addObject()
                        .put("id", id)
                        .put("content", names[id])
                        .put("single_word", false)
                        .put("lstrip", false)
                        .put("rstrip", swallowsSpace(names[id]))
                        .put("normalized", false)
                        .put("special", type != USER_DEFINED);
            }
        }
        return added;
    }

    /** Phi-3 drops white space after its control tokens; no GGUF key says so. */
    private boolean swallowsSpace(String token) {
        boolean phi3 = isSentencePiece() && ids.containsKey("<|placeholder1|>") && ids.containsKey("<|assistant|>");
        return phi3 && !List.of("<unk>", "<s>", "<|endoftext|>").contains(token);
    }

    private void describeByteLevel(ObjectNode tree) {
        PreTokenizer pre = PreTokenizer.expect(vocabulary.pre());
        tree.putNull("normalizer");
        tree.set("pre_tokenizer", pre.json());
        putTemplate(tree);
        tree.putObject("decoder")
                .put("type", "ByteLevel")
                .put("add_prefix_space", true)
                .put("trim_offsets", true)
                .put("use_regex", true);
        ObjectNode model = putModel(tree).putNull("unk_token");
        model.put("byte_fallback", false).put("fuse_unk", false).put("ignore_merges", pre.ignoresMerges());
        putVocabulary(model);
        ArrayNode merges = model.putArray("merges");
        vocabulary.merges().forEach(merges::add);
    }

    private void describeSentencePiece(ObjectNode tree) {
        boolean addsSpace = !Boolean.FALSE.equals(vocabulary.addSpacePrefix());
        ObjectNode normalizer = tree.putObject("normalizer").put("type", "Sequence");
        ArrayNode normalizers = normalizer.putArray("normalizers");
        ArrayNode decoders = tree.putObject("decoder").put("type", "Sequence").putArray("decoders");
        decoders.add(replace(SPACE, " "));
        decoders.addObject().put("type", "ByteFallback");
        decoders.addObject().put("type", "Fuse");
        if (addsSpace) {
            normalizers.addObject().put("type", "Prepend").put("prepend", SPACE);
            decoders.addObject()
                    .put("type", "Strip")
                    .put("content", " ")
                    .put("start", 1)
                    .put("stop", 0);
        }
        normalizers.add(replace(" ", SPACE));
        tree.putNull("pre_tokenizer");
        putTemplate(tree);
        ObjectNode model = putModel(tree);
        putToken(model, "unk_token", orElse(vocabulary.unkId(), 0));
        model.put("byte_fallback", true).put("fuse_unk", true).put("ignore_merges", false);
        putVocabulary(model);
        ArrayNode merges = model.putArray("merges");
        new ScoredMerges(vocabulary, names, ids.keySet()).forEach(merges::add);
    }

    private static ObjectNode replace(String what, String by) {
        ObjectNode replace = JsonNodeFactory.instance.objectNode().put("type", "Replace");
        replace.putObject("pattern").put("String", what);
        return replace.put("content", by);
    }

    private static ObjectNode putModel(ObjectNode tree) {
        ObjectNode model = tree.putObject("model").put("type", "BPE");
        model.putNull("dropout");
        model.putNull("continuing_subword_prefix");
        model.putNull("end_of_word_suffix");
        return model;
    }

    private void putVocabulary(ObjectNode model) {
        ObjectNode vocab = model.putObject("vocab");
        for (int id = 0; id < names.length; id++) {
            vocab.put(names[id], id);
        }
    }

    private void putTemplate(ObjectNode tree) {
        if (!addsBos()) {
            tree.putNull("post_processor");
            return;
        }
        int id = bosId().orElseThrow(
                        () -> new IllegalArgumentException("tokenizer.ggml.bos_token_id: got none, want the token that "
                                + "tokenizer.ggml.add_bos_token asks for"));
        String bos = vocabulary.tokens().get(id);
        ObjectNode template = tree.putObject("post_processor").put("type", "TemplateProcessing");
        ArrayNode single = template.putArray("single");
        single.addObject().putObject("SpecialToken").put("id", bos).put("type_id", 0);
        single.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
        ArrayNode pair = template.putArray("pair");
        pair.addAll(single.deepCopy());
        pair.addObject().putObject("Sequence").put("id", "B").put("type_id", 1);
        ObjectNode special = template.putObject("special_tokens").putObject(bos).put("id", bos);
        special.putArray("ids").add(id);
        special.putArray("tokens").add(bos);
    }
}
