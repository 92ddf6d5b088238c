package dev.salient.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.tensor.SharedData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Real vocabularies, on real text. */
@Tag("shared")
class SharedTokenizersTest {
    private static final String SMOLLM2 = "data/models/smollm2-135m-instruct/";

    private static Tokenizer smollm2() throws IOException {
        Path folder = SharedData.expect(SMOLLM2);
        return Tokenizers.fromJson(folder.resolve("tokenizer.json"), folder.resolve("tokenizer_config.json"));
    }

    @Test
    void ggufVocabularyAndTokenizerJsonOfOneModelAgreeOnAllOfWikitext() throws IOException {
        String text = Files.readString(SharedData.expect("data/text/wikitext2/wiki.test.raw"));
        GgufVocabulary vocabulary = VocabularyFile.read(SharedData.expect(SMOLLM2 + "SmolLM2-135M-Instruct.Q4_1.gguf"));
        int[] want = smollm2().encode(text);
        assertThat(want).hasSizeGreaterThan(280_000);
        assertThat(Tokenizers.fromGguf(vocabulary).encode(text)).isEqualTo(want);
    }

    @Test
    void wikitextSurvivesTheRoundTrip() throws IOException {
        String text = Files.readString(SharedData.expect("data/text/wikitext2/wiki.test.raw"));
        Tokenizer tokenizer = smollm2();
        assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
    }

    @Test
    void plainTextHasNoControlTokensAndTemplatesHaveThem() throws IOException {
        Tokenizer tokenizer = smollm2();
        String text = "<|im_start|>user\nHi<|im_end|>";
        assertThat(tokenizer.encode(text)).doesNotContain(0, 1, 2);
        assertThat(tokenizer.encodeWithControlTokens(text)).startsWith(1).endsWith(2);
        assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
        assertThat(tokenizer.decode(tokenizer.encodeWithControlTokens(text))).isEqualTo("user\nHi");
        assertThat(tokenizer.leadingToken()).isEmpty();
        assertThat(tokenizer.beginToken()).hasValue(1);
        assertThat(tokenizer.endToken()).hasValue(2);
        assertThat(tokenizer.vocabSize()).isEqualTo(49152);
        assertThat(tokenizer.token(1)).isEqualTo("<|im_start|>");
        assertThat(tokenizer.findId("<|im_start|>")).hasValue(1);
    }
}
