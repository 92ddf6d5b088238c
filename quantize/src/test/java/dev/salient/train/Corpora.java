package dev.salient.train;

import dev.salient.tokenizer.Tokenizer;
import dev.salient.tokenizer.Tokenizers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Small texts for tests, made by seed. */
final class Corpora {
    private static final List<String> NAMES = List.of("Tom", "Mia", "Ben", "Sue");
    private static final List<String> THINGS = List.of("cat", "ball", "boat", "hat", "dog");
    private static final List<String> DEEDS = List.of("saw", "found", "liked", "lost");

    private Corpora() {}

    /** Stories of a tiny grammar, each different. */
    static List<String> stories(int count, long seed) {
        Random random = new Random(seed);
        List<String> stories = new ArrayList<>();
        for (int s = 0; s < count; s++) {
            StringBuilder story = new StringBuilder();
            for (int sentence = 0; sentence < 6; sentence++) {
                story.append(pick(NAMES, random)).append(' ').append(pick(DEEDS, random));
                story.append(" the ").append(pick(THINGS, random)).append(". ");
            }
            stories.add(story.toString().strip());
        }
        return stories;
    }

    private static String pick(List<String> list, Random random) {
        return list.get(random.nextInt(list.size()));
    }

    /** A tokenizer learned from these texts. */
    static Tokenizer tokenizer(List<String> texts, int size, Path folder) throws IOException {
        ModelFolder.writeTokenizer(folder, BpeTrainer.train(texts, size, ModelFolder.CONTROL_TOKENS), 64);
        return Tokenizers.fromJson(folder.resolve("tokenizer.json"), folder.resolve("tokenizer_config.json"));
    }
}
