package dev.salient.measure;

import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What a model wrote after a prompt.
 *
 * @param ids of the text's tokens
 * @param entropy of the next token's distribution, mean over the text, 0 (certain) to 1 (uniform)
 */
public record WrittenText(String prompt, String text, List<Integer> ids, double entropy) {
    private static final int NGRAM = 3;

    public WrittenText {
        ids = List.copyOf(ids);
    }

    /** Share of the runs of three tokens that stand earlier in the text too, 0 to 1. */
    public double repeated() {
        int runs = ids.size() - NGRAM + 1;
        Set<List<Integer>> seen = new HashSet<>();
        for (int from = 0; from < runs; from++) {
            seen.add(ids.subList(from, from + NGRAM));
        }
        return runs <= 0 ? 0 : 1 - (double) seen.size() / runs;
    }

    /** Whether it is empty, or one letter or sign over and over. */
    public boolean barren() {
        return text.codePoints()
                        .filter(c -> !Character.isWhitespace(c))
                        .distinct()
                        .limit(2)
                        .count()
                < 2;
    }
}
