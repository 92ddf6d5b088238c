package dev.salient.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Tokenizers of a handful of tokens, made here. */
class TokenizersTest {
    @TempDir
    private Path folder;

    private static final String JSON = """
            {"version": "1.0", "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
             "padding": null, "normalizer": null, "pre_tokenizer": null, "decoder": {"type": "Fuse"},
             "added_tokens": [
               {"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
               {"id": 6, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false}],
             "post_processor": {"type": "TemplateProcessing",
               "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
               "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
               "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
             "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
               "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
               "vocab": {"<s>": 0, "<": 1, "s": 2, ">": 3, "<s": 4, "e": 5, "|": 7, "n": 8, "d": 9},
               "merges": ["< s", "<s >"]}}
            """;

    private Tokenizer fromText(String json, @Nullable String config) throws IOException {
        Path file = Files.writeString(folder.resolve("tokenizer.json"), json);
        return Tokenizers.fromJson(
                file, config == null ? null : Files.writeString(folder.resolve("tokenizer_config.json"), config));
    }

    @Test
    void plainTextNeverBecomesAControlTokenEvenWhereMergesLeadToOne() throws IOException {
        Tokenizer tokenizer = fromText(JSON, null);
        assertThat(tokenizer.encode("s<s>s<|end|>")).containsExactly(2, 4, 3, 2, 1, 7, 5, 8, 9, 7, 3);
        assertThat(tokenizer.encodeWithControlTokens("s<s>s<|end|>")).containsExactly(2, 0, 2, 6);
        assertThat(tokenizer.decode(new int[] {2, 0, 2, 6})).isEqualTo("ss");
        assertThat(tokenizer.decode(new int[] {4, 3})).isEqualTo("<s>");
    }

    @Test
    void leadingTokenComesFromTheTemplateUnlessTheConfigurationSaysOtherwise() throws IOException {
        assertThat(fromText(JSON, null).leadingToken()).hasValue(0);
        assertThat(fromText(JSON, "{\"add_bos_token\": false}").leadingToken()).isEmpty();
        String none = JSON.replaceAll("(?s)\"post_processor\": .*\"model\"", "\"post_processor\": null, \"model\"");
        assertThat(fromText(none, null).leadingToken()).isEmpty();
        assertThat(fromText(none, "{\"add_bos_token\": true, \"bos_token\": {\"content\": \"<s>\"}}")
                        .leadingToken())
                .hasValue(0);
    }

    @Test
    void vocabularyIsFoundByIdAndByText() throws IOException {
        Tokenizer tokenizer = fromText(JSON, "{\"bos_token\": \"<s>\", \"eos_token\": \"<|end|>\"}");
        assertThat(tokenizer.vocabSize()).isEqualTo(10);
        assertThat(tokenizer.token(6)).isEqualTo("<|end|>");
        assertThat(tokenizer.findId("<s")).hasValue(4);
        assertThat(tokenizer.findId("no such token")).isEmpty();
        assertThat(tokenizer.beginToken()).hasValue(0);
        assertThat(tokenizer.endToken()).hasValue(6);
        assertThatThrownBy(() -> tokenizer.token(10))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("token: got id 10, want one of the vocabulary's 10, 0 to 9");
    }

    @Test
    void filesThatAreNoTokenizersAreRefusedByName() throws IOException {
        Path file = folder.resolve("tokenizer.json");
        assertThatThrownBy(() -> Tokenizers.fromJson(file, null))
                .isInstanceOf(IOException.class)
                .hasMessage(file + ": got no such file, want a JSON file");
        assertThatThrownBy(() -> fromText("", null))
                .isInstanceOf(IOException.class)
                .hasMessage(file + ": got JSON that is no object, want an object");
        assertThatThrownBy(() -> fromText("{\"a\": ", null))
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith(file + ": got no JSON: ");
        assertThatThrownBy(() -> fromText("{}", null))
                .isInstanceOf(IOException.class)
                .hasMessage(file + ": model.vocab: got no tokens, want at least one");
        assertThatThrownBy(() -> fromText(JSON.replace("\"BPE\"", "\"Other\""), null))
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageNotContaining("\n");
    }

    @Test
    void halfASurrogatePairBecomesTheReplacementCharacter() {
        Tokenizer tokenizer = Tokenizers.fromGguf(pieces());
        assertThat(tokenizer.encode("a\uD83D")).isEqualTo(tokenizer.encode("a\uFFFD"));
        assertThat(tokenizer.decode(tokenizer.encode("\uDE00\uD83D\uDE00"))).isEqualTo("\uFFFD\uD83D\uDE00");
    }

    private static GgufVocabulary pieces() {
        List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        List<Integer> types = new ArrayList<>(List.of(2, 3, 3));
        IntStream.range(0, 256).forEach(b -> tokens.add("<0x%02X>".formatted(b)));
        types.addAll(Collections.nCopies(256, 6));
        List<String> pieces = new ArrayList<>(
                List.of("ab", "▁a", "▁▁", "aa", "abc", "bc", "▁ab", "aaa", "ba", "caa", "▁▁▁", "aab", "cab"));
        pieces.addAll(List.of("▁", "a", "b", "c"));
        tokens.addAll(pieces);
        types.addAll(Collections.nCopies(pieces.size(), 1));
        List<Float> scores = new ArrayList<>(Collections.nCopies(259, 0f));
        IntStream.range(0, pieces.size()).forEach(i -> scores.add((float) -i));
        return new GgufVocabulary(
                "llama",
                "",
                tokens,
                scores,
                types,
                List.of(),
                OptionalInt.of(1),
                OptionalInt.of(2),
                OptionalInt.of(0),
                null,
                null);
    }

    static LongStream seeds() {
        return LongStream.range(0, 100);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void sentencePieceVocabularyMergesTheBestScoreFirst(long seed) {
        Tokenizer tokenizer = Tokenizers.fromGguf(pieces());
        Random random = new Random(seed);
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(40); i >= 0; i--) {
            text.append("aaabbc  é".charAt(random.nextInt(9)));
        }
        assertThat(tokenizer.encode(text.toString()))
                .as("%s", text)
                .containsExactly(naiveSentencePiece(pieces(), text.toString()));
        assertThat(tokenizer.decode(tokenizer.encode(text.toString()))).isEqualTo(text.toString());
    }

    /** The definition: of all neighbours that make a token, merge the pair of the best score, the leftmost first. */
    private static Integer[] naiveSentencePiece(GgufVocabulary vocabulary, String text) {
        List<String> tokens = vocabulary.tokens();
        List<String> symbols = new ArrayList<>(List.of(("▁" + text.replace(' ', '▁')).split("")));
        while (true) {
            int best = -1;
            float bestScore = Float.NEGATIVE_INFINITY;
            for (int i = 0; i + 1 < symbols.size(); i++) {
                int id = tokens.indexOf(symbols.get(i) + symbols.get(i + 1));
                if (id >= 0 && vocabulary.scores().get(id) > bestScore) {
                    best = i;
                    bestScore = vocabulary.scores().get(id);
                }
            }
            if (best < 0) {
                break;
            }
            symbols.set(best, symbols.get(best) + symbols.remove(best + 1));
        }
        List<Integer> ids = new ArrayList<>();
        for (String symbol : symbols) {
            if (symbol.equals("é")) {
                ids.addAll(List.of(3 + 0xC3, 3 + 0xA9));
            } else {
                ids.add(tokens.indexOf(symbol));
            }
        }
        return ids.toArray(Integer[]::new);
    }

    private static GgufVocabulary kind(String model, String pre) {
        List<String> tokens = List.of("a", "b", "ab");
        OptionalInt none = OptionalInt.empty();
        return new GgufVocabulary(
                model, pre, tokens, List.of(), List.of(), List.of("a b"), none, none, none, false, null);
    }

    @Test
    void vocabulariesOfUnknownKindsAreRefusedWithTheKnownOnes() {
        assertThat(Tokenizers.fromGguf(kind("gpt2", "gpt-2")).encode("aab")).containsExactly(0, 2);
        assertThatThrownBy(() -> Tokenizers.fromGguf(kind("t5", "")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("tokenizer.ggml.model: got t5, want gpt2 or llama");
        assertThatThrownBy(() -> Tokenizers.fromGguf(kind("gpt2", "tekken")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("tokenizer.ggml.pre: got tekken, want one of gpt-2, phi-2, smollm, starcoder, llama-bpe, "
                        + "llama3, llama-v3, qwen2, default");
        assertThatThrownBy(() -> Tokenizers.fromGguf(kind("llama", "")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("tokenizer.ggml.scores: got none, want 3, one for each token");
    }
}
