package dev.salient.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.packed.Dense;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.SharedData;
import dev.salient.tensor.Tensor;
import dev.salient.tokenizer.Tokenizer;
import dev.salient.tokenizer.Tokenizers;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Real models against logits, greedy texts and losses from independent programs. */
@Tag("shared")
class SharedModelsTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @Test
    void tinyStoriesGivesTheReferencesLogitsAndGreedyText() throws IOException {
        Path folder = SharedData.expect("data/models/tinystories-656k");
        JsonNode want = JSON.readTree(
                        SharedData.expect("data/models/reference.json").toFile())
                .get("tinystories-656k");
        try (Checkpoint checkpoint = Checkpoints.open(folder);
                PackedLanguageModel model = new PackedLanguageModel(checkpoint.weights(), 2)) {
            assertReference(model, want, "greedy_ids_60", 2e-3);
        }
    }

    @Test
    void smolLmRoundedToHalvesGivesTheReferencesLogitsTextAndLosses() throws IOException {
        JsonNode want = JSON.readTree(
                SharedData.expect("data/models/reference-smollm2.json").toFile());
        try (Checkpoint checkpoint = Checkpoints.open(SharedData.expect("data/models/smollm2-135m-instruct"));
                Arena arena = Arena.ofShared();
                PackedLanguageModel model = new PackedLanguageModel(rounded(checkpoint.weights(), arena), 2)) {
            assertReference(model, want, "greedy_ids_48", 2e-3);
            JsonNode losses = want.get("wikitext2_test_first_4_windows_of_512").get("mean_nll_per_window");
            for (int w = 0; w < losses.size(); w++) {
                assertThat(meanLoss(model, window(w))).isCloseTo(losses.get(w).asDouble(), within(1e-3));
            }
        }
    }

    /** The reference rounded the file's values to fp16 first: the file itself is near it, not on it. */
    @Test
    void smolLmAsStoredGivesTheReferencesTextAndNearlyItsLosses() throws IOException {
        JsonNode want = JSON.readTree(
                SharedData.expect("data/models/reference-smollm2.json").toFile());
        try (Checkpoint checkpoint = Checkpoints.open(SharedData.expect("data/models/smollm2-135m-instruct"));
                PackedLanguageModel model = new PackedLanguageModel(checkpoint.weights(), 2)) {
            assertReference(model, want, "greedy_ids_48", 3e-2);
            double first = want.get("wikitext2_test_first_4_windows_of_512")
                    .get("mean_nll_per_window")
                    .get(0)
                    .asDouble();
            assertThat(meanLoss(model, window(0))).isCloseTo(first, within(1e-3));
        }
    }

    private static void assertReference(PackedLanguageModel model, JsonNode want, String greedy, double tolerance) {
        int[] prompt = JSON.convertValue(want.get("prompt_ids"), int[].class);
        int[] ids = JSON.convertValue(want.get(greedy), int[].class);
        JsonNode first = want.get("last_logits_first16");
        List<Integer> got = new ArrayList<>();
        try (KvCache cache = model.newCache(prompt.length + ids.length)) {
            float[] logits = model.forwardLast(prompt, cache);
            double worst = 0;
            for (int i = 0; i < first.size(); i++) {
                worst = Math.max(worst, Math.abs(logits[i] - first.get(i).asDouble()));
            }
            assertThat(worst).as("largest difference of a logit").isLessThan(tolerance);
            for (int i = 0; i < ids.length; i++) {
                got.add(largest(logits));
                logits = model.forwardLast(new int[] {got.getLast()}, cache);
            }
        }
        assertThat(got).containsExactlyElementsOf(Arrays.stream(ids).boxed().toList());
    }

    private static int largest(float[] logits) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            best = logits[i] > logits[best] ? i : best;
        }
        return best;
    }

    private static int[] window(int number) throws IOException {
        Path folder = SharedData.expect("data/models/smollm2-135m-instruct");
        Tokenizer tokenizer =
                Tokenizers.fromJson(folder.resolve("tokenizer.json"), folder.resolve("tokenizer_config.json"));
        String text = Files.readString(SharedData.expect("data/text/wikitext2/wiki.test.raw"));
        return Arrays.copyOfRange(tokenizer.encode(text.substring(0, 20_000)), number * 512, (number + 1) * 512);
    }

    private static double meanLoss(PackedLanguageModel model, int[] window) {
        double[] sum = {0};
        try (KvCache cache = model.newCache(window.length)) {
            model.forward(window, cache, (position, logits) -> {
                if (position + 1 < window.length) {
                    double total = 0;
                    for (float logit : logits) {
                        total += Math.exp(logit);
                    }
                    sum[0] += Math.log(total) - logits[window[position + 1]];
                }
            });
        }
        return sum[0] / (window.length - 1);
    }

    private static ModelWeights rounded(ModelWeights weights, Arena arena) {
        List<BlockWeights> blocks = new ArrayList<>();
        for (BlockWeights block : weights.blocks()) {
            Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
            block.linears().forEach((linear, weight) -> linears.put(linear, rounded(weight, arena)));
            blocks.add(block.withLinears(linears));
        }
        PackedWeight embedding = rounded(weights.embedding(), arena);
        return new ModelWeights(weights.config(), embedding, blocks, weights.finalNorm(), embedding);
    }

    private static Dense rounded(PackedWeight weight, Arena arena) {
        int in = weight.in();
        MemorySegment data = arena.allocate((long) weight.out() * in * Short.BYTES);
        float[] row = new float[in];
        for (int o = 0; o < weight.out(); o++) {
            weight.decodeRow(o, row, 0);
            for (int i = 0; i < in; i++) {
                DType.F16.set(data, (long) o * in + i, row[i]);
            }
        }
        return new Dense(new Tensor(DType.F16, Shape.of(weight.out(), in), data));
    }
}
