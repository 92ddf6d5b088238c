package dev.salient.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** From a GGUF vocabulary to a tokenizer.json and back. */
class JsonVocabularyTest {
    private static final String SPACE = "\u2581";

    @TempDir
    Path folder;

    private static GgufVocabulary byteLevel(String pre) {
        return new GgufVocabulary(
                "gpt2",
                pre,
                List.of("<|end|>", "a", "b", "1", "\u0120", "ab", "\u0120ab"),
                List.of(),
                List.of(3, 1, 1, 1, 1, 1, 1),
                List.of("a b", "\u0120 ab"),
                OptionalInt.of(0),
                OptionalInt.of(0),
                OptionalInt.empty(),
                false,
                null);
    }

    private static GgufVocabulary sentencePiece(@Nullable Boolean addSpace) {
        List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        List<Float> scores = new ArrayList<>(List.of(0f, 0f, 0f));
        List<Integer> types = new ArrayList<>(List.of(2, 3, 3));
        for (int b = 0; b < 256; b++) {
            tokens.add("<0x%02X>".formatted(b));
            scores.add(0f);
            types.add(6);
        }
        for (String token : List.of(SPACE, "a", "b", "c", "ab", "bc", SPACE + "ab", "<s>a")) {
            tokens.add(token);
            scores.add(token.equals("bc") ? -1f : (float) -tokens.size());
            types.add(1);
        }
        return new GgufVocabulary(
                "llama",
                "default",
                tokens,
                scores,
                types,
                List.of(),
                OptionalInt.of(1),
                OptionalInt.of(2),
                OptionalInt.of(0),
                true,
                addSpace);
    }

    private GgufVocabulary back(GgufVocabulary vocabulary, int size) throws IOException {
        Tokenizers.writeJson(vocabulary, folder, null);
        return Tokenizers.toGguf(
                folder.resolve("tokenizer.json"), folder.resolve("tokenizer_config.json"), size, OptionalInt.empty());
    }

    private void edit(String from, String to) throws IOException {
        Path json = folder.resolve("tokenizer.json");
        assertThat(Files.readString(json)).contains(from);
        Files.writeString(json, Files.readString(json).replace(from, to));
    }

    private GgufVocabulary again(int size, OptionalInt end) throws IOException {
        return Tokenizers.toGguf(folder.resolve("tokenizer.json"), null, size, end);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt-2", "smollm", "llama-bpe", "qwen2", "default"})
    void byteLevelVocabularyComesBackWhole(String pre) throws IOException {
        assertThat(back(byteLevel(pre), 7)).isEqualTo(byteLevel(pre));
    }

    @Test
    void sentencePieceComesBackWithScoresOfTheSameOrder() throws IOException {
        for (boolean addSpace : new boolean[] {true, false}) {
            GgufVocabulary vocabulary = sentencePiece(addSpace);
            GgufVocabulary back = back(vocabulary, vocabulary.tokens().size());
            assertThat(back.tokens()).isEqualTo(vocabulary.tokens());
            assertThat(back.tokenTypes()).isEqualTo(vocabulary.tokenTypes());
            assertThat(back.addSpacePrefix()).isEqualTo(addSpace);
            assertThat(back.addBos()).isTrue();
            assertThat(back.unkId()).hasValue(0);
            assertThat(back.scores().get(back.tokens().indexOf("bc")))
                    .isGreaterThan(back.scores().get(back.tokens().indexOf("ab")));
            Tokenizer original = Tokenizers.fromGguf(vocabulary);
            Tokenizer restored = Tokenizers.fromGguf(back);
            for (String text : List.of("abc ab", "aabbcc", " abcé", "<s>a")) {
                assertThat(restored.encode(text)).as(text).isEqualTo(original.encode(text));
            }
        }
    }

    @Test
    void rowsWithoutATokenAreUnusedOnes() throws IOException {
        GgufVocabulary back = back(byteLevel("gpt-2"), 9);
        assertThat(back.tokens().subList(7, 9)).containsExactly("[PAD7]", "[PAD8]");
        assertThat(back.tokenTypes().subList(7, 9)).containsExactly(5, 5);
    }

    @Test
    void mergesMayBePairsAndDefaultsMayBeLeftOut() throws IOException {
        back(byteLevel("smollm"), 7);
        edit("\"a b\",\"\u0120 ab\"", "[\"a\",\"b\"],[\"\u0120\",\"ab\"]");
        edit("\"trim_offsets\":true,\"use_regex\":true}]}", "\"trim_offsets\":false}]}");
        GgufVocabulary back = again(7, OptionalInt.of(0));
        assertThat(back.pre()).isEqualTo("smollm");
        assertThat(back.merges()).isEqualTo(byteLevel("smollm").merges());
        assertThat(back.eosId()).hasValue(0);
    }

    @Test
    void whatGgufCannotStateIsRefusedByName() throws IOException {
        Path json = folder.resolve("tokenizer.json");
        assertThatThrownBy(() -> back(byteLevel("gpt-2"), 6))
                .isInstanceOf(IOException.class)
                .hasMessage(json + ": got 7 tokens, want at most 6, the rows of the embedding");
        back(byteLevel("gpt-2"), 7);
        assertThatThrownBy(() -> again(7, OptionalInt.empty()))
                .isInstanceOf(IOException.class)
                .hasMessage(json + ": got no token that ends a text, want eos_token in tokenizer_config.json");
        edit("\"add_prefix_space\":false", "\"add_prefix_space\":true");
        assertThatThrownBy(() -> again(7, OptionalInt.of(0)))
                .isInstanceOf(IOException.class)
                .hasMessage(json + ": pre_tokenizer: got {\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
                        + "\"trim_offsets\":true,\"use_regex\":true}, want that of gpt-2, smollm, llama-bpe, qwen2,"
                        + " default");
        back(byteLevel("gpt-2"), 7);
        edit("\"normalizer\":null", "\"normalizer\":{\"type\":\"NFKC\"}");
        assertThatThrownBy(() -> again(7, OptionalInt.of(0)))
                .isInstanceOf(IOException.class)
                .hasMessage(json + ": normalizer: got {\"type\":\"NFKC\"}, want none or NFC");
        GgufVocabulary pieces = sentencePiece(true);
        back(pieces, pieces.tokens().size());
        edit("\"prepend\":\"" + SPACE + "\"", "\"prepend\":\"x\"");
        assertThatThrownBy(() -> again(pieces.tokens().size(), OptionalInt.of(2)))
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith(json + ": normalizer: got {\"type\":\"Sequence\",")
                .hasMessageEndingWith(", want SentencePiece's");
    }

    @Test
    void composingTextsFirstAsQwenDoesIsLeftToTheReader() throws IOException {
        back(byteLevel("qwen2"), 7);
        edit("\"normalizer\":null", "\"normalizer\":{\"type\":\"NFC\"}");
        assertThat(again(7, OptionalInt.of(0)).pre()).isEqualTo("qwen2");
    }

    @Test
    void sentencePieceAsGemmaWritesItIsRecognized() throws IOException {
        GgufVocabulary pieces = sentencePiece(false);
        back(pieces, pieces.tokens().size());
        String replace = "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" + SPACE + "\"}";
        edit("{\"type\":\"Sequence\",\"normalizers\":[" + replace + "]}", replace);
        edit(
                "\"pre_tokenizer\":null",
                "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\" \"},"
                        + "\"behavior\":\"MergedWithPrevious\",\"invert\":false}");
        GgufVocabulary back = again(pieces.tokens().size(), OptionalInt.of(2));
        assertThat(back.addSpacePrefix()).isFalse();
        assertThat(back.tokens()).isEqualTo(pieces.tokens());
    }

    /** BPE may know one way to a token only; SentencePiece always knows all. */
    @Test
    void tokenizerWhoseMergesAreNotSentencePiecesIsRefused() throws IOException {
        GgufVocabulary pieces = sentencePiece(true);
        back(pieces, pieces.tokens().size());
        edit("\"b c\"", "\"b b\"");
        edit("\"bc\":", "\"bb\":");
        edit("\"" + SPACE + " ab\",", "");
        assertThatThrownBy(() -> again(pieces.tokens().size(), OptionalInt.of(2)))
                .isInstanceOf(IOException.class)
                .hasMessageMatching(".*tokenizer.json: got other ids for \".*\" by the rules of a GGUF vocabulary,"
                        + " want the tokenizer's own");
    }
}
