package dev.salient.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.tokenizer.Tokenizer;
import dev.salient.tokenizer.Tokenizers;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The vocabulary is the one that counting everything anew for every merge gives, and the library reads it. */
class BpeTrainerTest {
    private static final List<String> CONTROL = List.of("<|endoftext|>", "<|im_start|>");
    private static final int FIRST_MERGE = CONTROL.size() + 256;

    @TempDir
    Path folder;

    static LongStream seeds() {
        return LongStream.range(0, 25);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void mergesAreThoseOfTheNaiveTwin(long seed) {
        Random random = new Random(seed);
        List<String> texts = randomTexts(random);
        int size = FIRST_MERGE + random.nextInt(1, 60);
        assertThat(BpeTrainer.train(texts, size, CONTROL).merges()).isEqualTo(naive(texts, size));
    }

    @Test
    void theMostFrequentPairIsMergedFirst() {
        BpeVocabulary vocabulary = BpeTrainer.train(List.of("xyxy abab cab"), FIRST_MERGE + 2, CONTROL);
        assertThat(vocabulary.tokens().subList(FIRST_MERGE, FIRST_MERGE + 2)).containsExactly("ab", "xy");
    }

    @Test
    void aPairThatOccursOnceIsNeverMerged() {
        assertThat(BpeTrainer.train(List.of("abcdefg"), 1000, CONTROL).merges()).isEmpty();
    }

    @Test
    void runsOfOneLetterAreMergedFromTheLeft() {
        assertThat(BpeTrainer.merged(new int[] {1, 1, 1, 2, 1, 1}, new Merge(1, 1), 9))
                .containsExactly(9, 1, 2, 9);
    }

    @Test
    void wordsAreCutAsTheLibraryCutsThem() {
        assertThat(BpeTrainer.wordCounts(List.of("It's 12\u00a0cats,  caf\u00e9!\n"))
                        .keySet())
                .containsExactly("It", "'s", " 12", "\u00a0", "cats", ",", " ", " caf\u00e9", "!", "\n");
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void theLibraryEncodesWithTheseMergesAndDecodesBack(long seed) throws IOException {
        Random random = new Random(seed);
        BpeVocabulary vocabulary = BpeTrainer.train(randomTexts(random), FIRST_MERGE + 40, CONTROL);
        Tokenizer tokenizer = tokenizer(vocabulary);
        for (String text : randomTexts(random)) {
            int[] ids = tokenizer.encode(text);
            assertThat(ids).as(text).isEqualTo(naiveEncode(text, vocabulary));
            assertThat(tokenizer.decode(ids)).isEqualTo(text);
        }
    }

    @Test
    void controlTokensAreControlOnlyWhereTheyAreMeantToBe() throws IOException {
        Tokenizer tokenizer = tokenizer(BpeTrainer.train(List.of("a b c"), FIRST_MERGE, CONTROL));
        assertThat(tokenizer.encodeWithControlTokens("<|im_start|>a"))
                .hasSize(2)
                .startsWith(1);
        assertThat(tokenizer.encode("<|im_start|>a")).hasSize(13).doesNotContain(1);
        assertThat(tokenizer.vocabSize()).isEqualTo(FIRST_MERGE);
    }

    @Test
    void aVocabularyWithoutRoomForTheBytesIsRefused() {
        assertThatThrownBy(() -> BpeTrainer.train(List.of("a"), 257, CONTROL))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("vocabulary: got 257 tokens, want at least 258");
    }

    private Tokenizer tokenizer(BpeVocabulary vocabulary) throws IOException {
        Path file = folder.resolve("tokenizer.json");
        new ObjectMapper().writeValue(file.toFile(), vocabulary.tokenizerJson());
        return Tokenizers.fromJson(file, null);
    }

    private static List<String> randomTexts(Random random) {
        String letters = "aaabbc\u00e9 \n'st.,1\ud83d\ude00 ";
        List<String> texts = new ArrayList<>();
        for (int t = random.nextInt(1, 6); t > 0; t--) {
            int[] text = random.ints(random.nextInt(1, 120), 0, letters.codePointCount(0, letters.length()))
                    .map(i -> letters.codePointAt(letters.offsetByCodePoints(0, i)))
                    .toArray();
            texts.add(new String(text, 0, text.length));
        }
        return texts;
    }

    /** Counts all pairs of all words anew before every merge. */
    private static List<Merge> naive(List<String> texts, int size) {
        List<List<Integer>> words = new ArrayList<>();
        for (String text : texts) {
            words.addAll(cut(text));
        }
        List<Merge> merges = new ArrayList<>();
        while (FIRST_MERGE + merges.size() < size) {
            Map<Merge, Integer> counts = new HashMap<>();
            for (List<Integer> word : words) {
                for (int i = 1; i < word.size(); i++) {
                    counts.merge(new Merge(word.get(i - 1), word.get(i)), 1, Integer::sum);
                }
            }
            Merge best = counts.entrySet().stream()
                    .filter(e -> e.getValue() > 1)
                    .min(Map.Entry.<Merge, Integer>comparingByValue()
                            .reversed()
                            .thenComparing(Map.Entry.comparingByKey()))
                    .map(Map.Entry::getKey)
                    .orElse(null);
            if (best == null) {
                return merges;
            }
            int merged = FIRST_MERGE + merges.size();
            words.forEach(word -> replace(word, best, merged));
            merges.add(best);
        }
        return merges;
    }

    private static int[] naiveEncode(String text, BpeVocabulary vocabulary) {
        List<Integer> ids = new ArrayList<>();
        for (List<Integer> word : cut(text)) {
            for (int m = 0; m < vocabulary.merges().size(); m++) {
                replace(word, vocabulary.merges().get(m), FIRST_MERGE + m);
            }
            ids.addAll(word);
        }
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    private static void replace(List<Integer> word, Merge merge, int merged) {
        for (int i = 0; i + 1 < word.size(); i++) {
            if (word.get(i) == merge.left() && word.get(i + 1) == merge.right()) {
                word.set(i, merged);
                word.remove(/* index */ i + 1);
            }
        }
    }

    /** GPT-2's words, cut by hand; the texts here have ASCII blanks only. */
    private static List<List<Integer>> cut(String text) {
        List<List<Integer>> words = new ArrayList<>();
        int from = 0;
        while (from < text.length()) {
            int end = wordEnd(text, from);
            byte[] bytes = text.substring(from, end).getBytes(StandardCharsets.UTF_8);
            List<Integer> ids = new ArrayList<>();
            for (byte b : bytes) {
                ids.add(CONTROL.size() + Byte.toUnsignedInt(b));
            }
            words.add(ids);
            from = end;
        }
        return words;
    }

    private static int wordEnd(String text, int from) {
        for (String ending : List.of("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")) {
            if (text.startsWith(ending, from)) {
                return from + ending.length();
            }
        }
        int start = text.charAt(from) == ' ' && from + 1 < text.length() ? from + 1 : from;
        if (start > from && kind(text.codePointAt(start)) == 0) {
            start = from;
        }
        int end = start;
        while (end < text.length() && kind(text.codePointAt(end)) == kind(text.codePointAt(start))) {
            end += Character.charCount(text.codePointAt(end));
        }
        boolean blanksBeforeMore = kind(text.codePointAt(start)) == 0 && end < text.length() && end - start > 1;
        return blanksBeforeMore ? end - 1 : end;
    }

    private static int kind(int letter) {
        return Character.isWhitespace(letter) ? 0 : Character.isLetter(letter) ? 1 : Character.isDigit(letter) ? 2 : 3;
    }
}
