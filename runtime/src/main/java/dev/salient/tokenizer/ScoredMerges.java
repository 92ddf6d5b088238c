package dev.salient.tokenizer;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/** The merges of a SentencePiece vocabulary, best first: {@code left right} for each way to cut a token in two. */
final class ScoredMerges {
    private final List<Merge> merges = new ArrayList<>();
    private final GgufVocabulary vocabulary;
    private final Set<String> known;

    private record Merge(String left, String right, float score) {}

    /**
     * Finds all merges.
     *
     * @param names of every token, by its id
     * @param known the same as a set
     * @throws IllegalArgumentException where the vocabulary has no scores
     */
    ScoredMerges(GgufVocabulary vocabulary, String[] names, Set<String> known) {
        if (vocabulary.scores().isEmpty()) {
            throw new IllegalArgumentException("tokenizer.ggml.scores: got none, want %d, one for each token"
                    .formatted(vocabulary.tokens().size()));
        }
        this.vocabulary = vocabulary;
        this.known = known;
        for (int id = 0; id < names.length; id++) {
            addCuts(names[id], id);
        }
        // A stable sort: tokens of one score stay in the order of their ids.
        merges.sort(Comparator.comparingDouble(Merge::score).reversed());
    }

    /** All cuts of one token, the longest left part first; white space in a text is never a plain space here. */
    private void addCuts(String token, int id) {
        if (token.indexOf(' ') >= 0) {
            return;
        }
        for (int cut = token.length() - 1; cut > 0; cut--) {
            if (Character.isLowSurrogate(token.charAt(cut))) {
                continue;
            }
            String left = token.substring(0, cut);
            String right = token.substring(cut);
            if (known.contains(left) && known.contains(right)) {
                merges.add(new Merge(left, right, vocabulary.scores().get(id)));
            }
        }
    }

    /** Hands out every merge, best first. */
    void forEach(Consumer<String> sink) {
        for (Merge merge : merges) {
            sink.accept(merge.left + " " + merge.right);
        }
    }
}
