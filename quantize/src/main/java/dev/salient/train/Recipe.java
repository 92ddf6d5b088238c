package dev.salient.train;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.format.FormatException;
import dev.salient.format.json.JsonFiles;
import dev.salient.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Everything that a model trained from scratch follows from, as data: {@code recipe.json}.
 *
 * @param stories the texts to learn from, files below the data folder
 * @param written stories that a language model writes as well
 * @param heldOut share of the stories of each text that the model never sees, 0 to 1
 * @param vocabulary tokens; learned from {@code stories} alone
 * @param ownTexts texts that the finished model writes itself
 */
public record Recipe(
        List<String> stories,
        List<Written> written,
        double heldOut,
        int vocabulary,
        Sizes model,
        Pretraining training,
        List<OwnText> ownTexts) {
    private static final ObjectMapper MAPPER = new ObjectMapper()
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES);

    public Recipe {
        stories = List.copyOf(stories);
        written = List.copyOf(written);
        ownTexts = List.copyOf(ownTexts);
        require(!stories.isEmpty(), "stories: got none, want at least one file");
        require(heldOut > 0 && heldOut < 1, "held-out share: got %s, want between 0 and 1", heldOut);
    }

    /**
     * Stories written by a language model.
     *
     * @param model its folder or file below the data folder
     * @param prompts how many are asked for; fewer are kept
     * @param atOnce written side by side
     * @param maxTokens of a story; one that has not ended by then is cut at the end of a sentence
     * @param minProbability tokens less likely than this share of the likeliest one are never drawn
     * @param firstEpoch of training, counted from 0, in which they join
     */
    public record Written(
            String model,
            int prompts,
            int atOnce,
            int maxTokens,
            double temperature,
            double minProbability,
            int firstEpoch,
            long seed) {
        public Written {
            require(prompts > 0, "prompts: got %d, want 1 or more", prompts);
            require(firstEpoch >= 0, "first epoch: got %d, want 0 or more", firstEpoch);
        }
    }

    /**
     * A text of stories by the finished model.
     *
     * @param file its name
     * @param prompts how many stories are asked for; fewer are kept
     */
    public record OwnText(String file, int prompts, double temperature, long seed) {
        public OwnText {
            require(file.matches("[A-Za-z0-9.-]+"), "own text: got file %s, want a plain name", file);
            require(prompts > 0, "own text: got %d prompts, want 1 or more", prompts);
        }
    }

    /** The sizes of the model; its head is its embedding. */
    public record Sizes(int hidden, int ffn, int blocks, int heads, int kvHeads, int context, double ropeBase) {
        private static final double NORM_EPSILON = 1e-5;

        ModelConfig config(int vocabSize) {
            require(heads > 0 && hidden % heads == 0, "heads: %d does not divide the hidden size %d", heads, hidden);
            return new ModelConfig(
                    hidden,
                    ffn,
                    blocks,
                    heads,
                    kvHeads,
                    hidden / heads,
                    vocabSize,
                    context,
                    ropeBase,
                    null,
                    NORM_EPSILON,
                    true);
        }
    }

    /**
     * Reads a recipe.
     *
     * @throws FormatException where a field is missing, unknown or out of its range
     */
    public static Recipe read(Path file) throws IOException {
        return JsonFiles.read(file, MAPPER, Recipe.class, "recipe");
    }

    /** The recipe as one line of JSON: equal recipes give equal lines. */
    String toJson() throws IOException {
        return MAPPER.writeValueAsString(this);
    }
}
