package dev.salient.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.ModelWeights;
import dev.salient.model.PackedLanguageModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FamiliesTest {
    /**
     * Of the largest logit. Transformers' own fp32 differs from its double precision by up to 4e-6 of it on these models.
     */
    private static final double TOLERANCE = 1e-5;

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "llama3",
                "llama-bias",
                "mistral",
                "qwen2",
                "qwen2-window",
                "qwen2-yarn",
                "qwen3",
                "phi3",
                "gemma2",
                "gemma3"
            })
    void logitsAreThoseOfTransformers(String family) throws IOException {
        FamilyModel model = FamilyModel.of(family);
        try (Checkpoint checkpoint = Checkpoints.open(model.write(folder))) {
            float[][] got = logits(checkpoint.weights(), model.ids());
            model.logits().forEach((position, want) -> assertClose(got[position], want, family + " at " + position));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "llama3",
                "llama-bias",
                "mistral",
                "qwen2-window",
                "qwen2-yarn",
                "qwen3",
                "phi3",
                "gemma2",
                "gemma3"
            })
    void tokensOneByOneGiveWhatOnePassGives(String family) throws IOException {
        FamilyModel model = FamilyModel.of(family);
        try (Checkpoint checkpoint = Checkpoints.open(model.write(folder))) {
            int[] ids = model.ids();
            float[][] want = logits(checkpoint.weights(), ids);
            try (PackedLanguageModel packed = new PackedLanguageModel(checkpoint.weights(), 2);
                    KvCache cache = packed.newCache(ids.length)) {
                packed.forwardLast(Arrays.copyOf(ids, 9), cache);
                for (int t = 9; t < ids.length; t++) {
                    float[] got = packed.forwardLast(new int[] {ids[t]}, cache);
                    assertClose(got, doubles(want[t]), family + " at " + t);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"qwen2-window", "qwen2-yarn", "phi3", "gemma2", "gemma3"})
    void spoiltConfigurationsOnlyEverMeetFormatException(String family) throws IOException {
        FamilyModel model = FamilyModel.of(family);
        model.write(folder);
        byte[] good = Files.readAllBytes(folder.resolve("config.json"));
        Random random = new Random(22);
        int refused = 0;
        for (int round = 0; round < 200; round++) {
            Files.write(folder.resolve("config.json"), Spoiler.spoil(good, random, good.length));
            try (Checkpoint checkpoint = Checkpoints.open(folder)) {
                assertThat(checkpoint.weights().blocks()).isNotEmpty();
            } catch (FormatException e) {
                assertThat(e.getMessage()).doesNotContain("\n").hasSizeLessThan(400);
                refused++;
            }
        }
        assertThat(refused).isGreaterThan(50);
    }

    private static float[][] logits(ModelWeights weights, int[] ids) {
        float[][] logits = new float[ids.length][];
        try (PackedLanguageModel packed = new PackedLanguageModel(weights, 2);
                KvCache cache = packed.newCache(ids.length)) {
            packed.forward(ids, cache, (position, row) -> logits[position] = row.clone());
        }
        return logits;
    }

    private static double[] doubles(float[] values) {
        double[] wide = new double[values.length];
        for (int i = 0; i < wide.length; i++) {
            wide[i] = values[i];
        }
        return wide;
    }

    private static void assertClose(float[] got, double[] want, String what) {
        double largest = Arrays.stream(want).map(Math::abs).max().orElseThrow();
        for (int i = 0; i < want.length; i++) {
            assertThat((double) got[i]).as("%s, token %d", what, i).isCloseTo(want[i], within(TOLERANCE * largest));
        }
    }
}
