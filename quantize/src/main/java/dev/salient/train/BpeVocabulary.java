package dev.salient.train;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/**
 * A byte-level BPE vocabulary: control tokens, the 256 bytes, then one token per merge, in this order of ids.
 *
 * @param merges best first; each names ids that come before its own
 */
public record BpeVocabulary(List<String> controlTokens, List<Merge> merges) {
    public BpeVocabulary {
        controlTokens = List.copyOf(controlTokens);
        merges = List.copyOf(merges);
    }

    /** The text of each id, bytes as GPT-2's letters. */
    public List<String> tokens() {
        List<String> tokens = new ArrayList<>(controlTokens);
        for (int b = 0; b < 256; b++) {
            tokens.add(ByteLetters.letter(b));
        }
        for (Merge merge : merges) {
            tokens.add(tokens.get(merge.left()) + tokens.get(merge.right()));
        }
        return tokens;
    }

    /** The vocabulary as a {@code tokenizer.json} that the tokenizers library reads. */
    public ObjectNode tokenizerJson() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("version", "1.0").putNull("truncation").putNull("padding");
        ArrayNode control = json.putArray("added_tokens");
        for (int id = 0; id < controlTokens.size(); id++) {
            ObjectNode added = control.addObject();
            added.put("id", id).put("content", controlTokens.get(id));
            added.put("single_word", false).put("lstrip", false).put("rstrip", false);
            added.put("normalized", false).put("special", true);
        }
        json.putNull("normalizer");
        json.set("pre_tokenizer", byteLevel());
        json.putNull("post_processor");
        json.set("decoder", byteLevel());
        json.set("model", model());
        return json;
    }

    private static ObjectNode byteLevel() {
        ObjectNode step = JsonNodeFactory.instance.objectNode();
        step.put("type", "ByteLevel").put("add_prefix_space", false);
        return step.put("trim_offsets", true).put("use_regex", true);
    }

    private ObjectNode model() {
        ObjectNode model = JsonNodeFactory.instance.objectNode();
        model.put("type", "BPE").putNull("dropout").putNull("unk_token");
        model.putNull("continuing_subword_prefix").putNull("end_of_word_suffix");
        model.put("fuse_unk", false).put("byte_fallback", false).put("ignore_merges", false);
        List<String> tokens = tokens();
        ObjectNode vocab = model.putObject("vocab");
        for (int id = 0; id < tokens.size(); id++) {
            vocab.put(tokens.get(id), id);
        }
        ArrayNode pairs = model.putArray("merges");
        for (Merge merge : merges) {
            pairs.add(tokens.get(merge.left()) + " " + tokens.get(merge.right()));
        }
        return model;
    }
}
