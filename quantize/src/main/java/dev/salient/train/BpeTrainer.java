package dev.salient.train;

import static dev.salient.tensor.Preconditions.require;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Learns a byte-level BPE vocabulary (Sennrich et al., arXiv 1508.07909) from texts cut into words as GPT-2 cuts them.
 *
 * <p>Again and again the most frequent pair of neighbouring tokens becomes a token; of equally frequent pairs the one
 * with the smaller ids. A pair that occurs once is never merged.
 */
public final class BpeTrainer {
    private static final Pattern WORD = Pattern.compile(
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
            Pattern.UNICODE_CHARACTER_CLASS);

    private final List<int[]> words = new ArrayList<>();
    private final List<Integer> wordCounts = new ArrayList<>();
    private final Map<Merge, Integer> pairCounts = new HashMap<>();
    private final Map<Merge, Set<Integer>> pairWords = new HashMap<>();

    private BpeTrainer(Map<String, Integer> counts, int firstByte) {
        counts.forEach((word, count) -> {
            int[] ids = ByteLetters.bytes(word);
            for (int i = 0; i < ids.length; i++) {
                ids[i] += firstByte;
            }
            words.add(ids);
            wordCounts.add(count);
            countPairs(words.size() - 1, count);
        });
    }

    /**
     * Learns a vocabulary.
     *
     * @param vocabSize control tokens, the 256 bytes and merges; fewer where the texts hold no more pairs
     * @param controlTokens get the first ids
     */
    public static BpeVocabulary train(Iterable<String> texts, int vocabSize, List<String> controlTokens) {
        int firstMerge = controlTokens.size() + 256;
        require(vocabSize >= firstMerge, "vocabulary: got %d tokens, want at least %d", vocabSize, firstMerge);
        BpeTrainer trainer = new BpeTrainer(wordCounts(texts), controlTokens.size());
        List<Merge> merges = new ArrayList<>();
        while (firstMerge + merges.size() < vocabSize) {
            Merge best = trainer.findBest();
            if (best == null) {
                break;
            }
            trainer.apply(best, firstMerge + merges.size());
            merges.add(best);
        }
        return new BpeVocabulary(controlTokens, merges);
    }

    /** How often each word occurs, in the order in which they are met. */
    static Map<String, Integer> wordCounts(Iterable<String> texts) {
        Map<String, Integer> counts = new LinkedHashMap<>();
        for (String text : texts) {
            Matcher matcher = WORD.matcher(text);
            while (matcher.find()) {
                counts.merge(matcher.group(), 1, Integer::sum);
            }
        }
        return counts;
    }

    private @Nullable Merge findBest() {
        Merge best = null;
        int bestCount = 1;
        for (Map.Entry<Merge, Integer> pair : pairCounts.entrySet()) {
            int count = pair.getValue();
            if (count > bestCount
                    || (count == bestCount && best != null && pair.getKey().compareTo(best) < 0)) {
                best = pair.getKey();
                bestCount = count;
            }
        }
        return best;
    }

    private void apply(Merge merge, int merged) {
        Set<Integer> affected = pairWords.getOrDefault(merge, Set.of());
        for (int word : List.copyOf(affected)) {
            countPairs(word, -wordCounts.get(word));
            words.set(word, merged(words.get(word), merge, merged));
            countPairs(word, wordCounts.get(word));
        }
        pairWords.remove(merge);
    }

    private void countPairs(int word, int change) {
        int[] ids = words.get(word);
        for (int i = 0; i + 1 < ids.length; i++) {
            Merge pair = new Merge(ids[i], ids[i + 1]);
            if (pairCounts.merge(pair, change, Integer::sum) == 0) {
                pairCounts.remove(pair);
            }
            if (change > 0) {
                pairWords.computeIfAbsent(pair, p -> new HashSet<>()).add(word);
            }
        }
    }

    /** The ids after every occurrence of a pair, from the left, became one token. */
    static int[] merged(int[] ids, Merge merge, int merged) {
        int[] result = new int[ids.length];
        int length = 0;
        for (int i = 0; i < ids.length; i++) {
            boolean here = i + 1 < ids.length && ids[i] == merge.left() && ids[i + 1] == merge.right();
            result[length++] = here ? merged : ids[i];
            i += here ? 1 : 0;
        }
        return java.util.Arrays.copyOf(result, length);
    }
}
