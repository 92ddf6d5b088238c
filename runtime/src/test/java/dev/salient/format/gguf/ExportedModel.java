package dev.salient.format.gguf;

import dev.salient.format.Checkpoint;
import dev.salient.format.gptq.RandomModel;
import dev.salient.model.ModelWeights;
import dev.salient.tokenizer.GgufVocabulary;
import dev.salient.tokenizer.Tokenizers;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/** Random models with a tokenizer, and what they became as GGUF files. */
final class ExportedModel {
    static final String TEMPLATE = "{{ messages }}";

    private ExportedModel() {}

    /** A model in a folder that holds a tokenizer of 40 tokens and a card with a licence. */
    static Checkpoint checkpoint(Path folder, ModelWeights weights) throws IOException {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("README.md"), "---\ntags: [x]\nlicense: apache-2.0\n---\n# A model\n");
        Tokenizers.writeJson(vocabulary(), folder, TEMPLATE);
        var tokenizer = Tokenizers.fromJson(folder.resolve("tokenizer.json"), folder.resolve("tokenizer_config.json"));
        return new Checkpoint(folder, weights, tokenizer, TEMPLATE, List.of(38, 39), Arena.ofAuto());
    }

    /** 36 letters, two pairs of them, and two control tokens. */
    static GgufVocabulary vocabulary() {
        List<String> tokens = new ArrayList<>();
        List<Integer> types = new ArrayList<>();
        for (char letter = 'a'; letter < 'a' + 26; letter++) {
            tokens.add(String.valueOf(letter));
        }
        for (char letter = 'A'; letter < 'A' + 9; letter++) {
            tokens.add(String.valueOf(letter));
        }
        tokens.addAll(List.of("\u0120", "ab", "abc", "<|end|>", "<|turn|>"));
        tokens.forEach(token -> types.add(token.startsWith("<|") ? 3 : 1));
        return new GgufVocabulary(
                "gpt2",
                "smollm",
                tokens,
                List.of(),
                types,
                List.of("a b", "ab c"),
                OptionalInt.of(39),
                OptionalInt.of(38),
                OptionalInt.empty(),
                true,
                null);
    }

    static ModelWeights random(long seed, RandomModel.Maker maker) {
        return new RandomModel(seed).weights(RandomModel.CONFIG, maker);
    }

    static ModelWeights dense(long seed) {
        RandomModel random = new RandomModel(seed);
        return random(seed, (block, linear, out, in) -> random.dense(out, in));
    }

    /** The row of a Q or K file that holds a row of ours: heads of 16, its halves' channels taken in turn. */
    static int fileRow(int row) {
        int head = row / 16;
        int half = row % 16 / 8;
        int pair = row % 8;
        return head * 16 + 2 * pair + half;
    }
}
