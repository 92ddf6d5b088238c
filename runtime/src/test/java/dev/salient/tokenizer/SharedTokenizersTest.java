package dev.salient.tokenizer;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.tensor.SharedData;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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

    @ParameterizedTest(name = "{0}")
    @ValueSource(
            strings = {
                "gpt-2",
                "llama-spm",
                "phi-3",
                "smollm2",
                "gpt2-smollm",
                "gpt2-llama-bpe",
                "gpt2-qwen2",
                "gpt2-default"
            })
    void ggufVocabularyGivesTheIdsOfLlamaCpp(String model) throws IOException {
        Tokenizer tokenizer = Tokenizers.fromGguf(vocabulary(model));
        int cases = 0;
        for (JsonNode golden : golden()) {
            if (golden.path("model").asText().equals(model)) {
                String text = golden.path("text").asText();
                int[] plain = ids(golden.path("ids"));
                int[] control = golden.has("controlIds") ? ids(golden.path("controlIds")) : plain;
                assertThat(tokenizer.encode(text)).as("%s", golden.path("text")).isEqualTo(plain);
                assertThat(tokenizer.encodeWithControlTokens(text))
                        .as("%s with control tokens", golden.path("text"))
                        .isEqualTo(control);
                cases++;
            }
        }
        assertThat(cases).isEqualTo(34);
    }

    /** Ids that llama.cpp's llama-tokenize gave; for "gpt2-..." of GPT-2's vocabulary under another pre-tokenizer. */
    private static List<JsonNode> golden() throws IOException {
        List<JsonNode> golden = new ArrayList<>();
        try (InputStream in = SharedTokenizersTest.class.getResourceAsStream("llama-cpp-ids.jsonl")) {
            for (String line : new String(Objects.requireNonNull(in).readAllBytes(), UTF_8)
                    .lines()
                    .toList()) {
                golden.add(new ObjectMapper().readTree(line));
            }
        }
        return golden;
    }

    private static int[] ids(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .mapToInt(JsonNode::asInt)
                .toArray();
    }

    private static GgufVocabulary vocabulary(String model) throws IOException {
        if (model.equals("smollm2")) {
            return VocabularyFile.read(SharedData.expect(SMOLLM2 + "SmolLM2-135M-Instruct.Q4_1.gguf"));
        }
        if (!model.startsWith("gpt2-")) {
            return VocabularyFile.read(SharedData.expect("data/gguf-vocab/ggml-vocab-" + model + ".gguf"));
        }
        GgufVocabulary v = vocabulary("gpt-2");
        return new GgufVocabulary(
                v.model(),
                model.substring("gpt2-".length()),
                v.tokens(),
                v.scores(),
                v.tokenTypes(),
                v.merges(),
                v.bosId(),
                v.eosId(),
                v.unkId(),
                v.addBos(),
                v.addSpacePrefix());
    }

    @Test
    void sentencePieceVocabularyLeadsWithBosAndTheWholeTextsAgreeAcrossAFolder(@TempDir Path folder)
            throws IOException {
        GgufVocabulary vocabulary = vocabulary("llama-spm");
        Path json = Files.writeString(folder.resolve("tokenizer.json"), vocabulary.toTokenizerJson());
        Path config = Files.writeString(folder.resolve("tokenizer_config.json"), vocabulary.toTokenizerConfig(null));
        Tokenizer direct = Tokenizers.fromGguf(vocabulary);
        Tokenizer read = Tokenizers.fromJson(json, config);
        String text = Files.readString(SharedData.expect("data/text/calibration/technical.utf8"));
        assertThat(direct.encode(text)).hasSize(84410);
        assertThat(read.encode(text)).isEqualTo(direct.encode(text));
        assertThat(read.decode(read.encode(text))).isEqualTo(text);
        for (Tokenizer tokenizer : List.of(direct, read)) {
            assertThat(tokenizer.leadingToken()).hasValue(1);
            assertThat(tokenizer.beginToken()).hasValue(1);
            assertThat(tokenizer.endToken()).hasValue(2);
        }
    }

    @Test
    void tokenizerWhoseTemplateAddsAFirstTokenLeadsWithIt() throws IOException {
        Path folder = SharedData.expect("data/models/tinystories-656k");
        Path json = folder.resolve("tokenizer.json");
        assertThat(Tokenizers.fromJson(json, null).leadingToken()).hasValue(1);
        assertThat(Tokenizers.fromJson(json, folder.resolve("tokenizer_config.json"))
                        .leadingToken())
                .hasValue(1);
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
