package dev.salient.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.report.ModelComparison.Cost;
import dev.salient.report.ModelComparison.Model;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ModelComparisonTest {
    @TempDir
    Path folder;

    private Path run(String run, String model, double kl, double bits, int window) throws IOException {
        Path own = Files.createDirectories(folder.resolve(run));
        Files.writeString(
                own.resolve("evaluation.json"), """
                {"model":"%s","original":"big","bitsPerWeight":%s,"weightBytes":1000000,
                 "text":{"name":"t","sha256":"ab","window":%d,"stride":%d,"windows":4,"tokens":100},
                 "perplexity":{"value":20,"low":19,"high":21,"convention":"hf"},
                 "divergence":{"kl":{"mean":%s,"low":%s,"high":%s}}}
                """.formatted(model, bits, window, window, kl, kl - 0.1, kl + 0.1));
        return own;
    }

    static LongStream seeds() {
        return LongStream.range(0, 200);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void frontHoldsTheModelsThatNoOtherBeats(long seed) {
        Random random = new Random(seed);
        List<Model> models = new ArrayList<>();
        for (int i = 0; i < 1 + random.nextInt(12); i++) {
            double bits = random.nextInt(6) == 0 ? Double.NaN : 1 + random.nextInt(5);
            models.add(new Model("m" + i, random.nextInt(6), 0, 9, bits, random.nextInt(4), 1 + random.nextInt(4)));
        }
        ModelComparison comparison = new ModelComparison("perplexity", models);
        for (Cost cost : Cost.values()) {
            assertThat(comparison.front(cost)).as(cost.name()).isEqualTo(naiveFront(models, cost));
        }
    }

    private static double cost(Model model, Cost cost) {
        return switch (cost) {
            case BITS -> model.bitsPerWeight();
            case BYTES -> model.bytes();
            case SPEED -> 1 / model.speed();
        };
    }

    private static Set<Model> naiveFront(List<Model> models, Cost cost) {
        Set<Model> front = new HashSet<>();
        for (Model model : models) {
            boolean beaten = Double.isNaN(cost(model, cost));
            for (Model other : models) {
                boolean asGood = other.quality() <= model.quality() && cost(other, cost) <= cost(model, cost);
                boolean better = other.quality() < model.quality() || cost(other, cost) < cost(model, cost);
                beaten |= asGood && better;
            }
            if (!beaten) {
                front.add(model);
            }
        }
        return front;
    }

    @Test
    void readsRunsAndKeepsTheirNamesApart() throws IOException {
        ModelComparison comparison = ModelComparison.of(
                List.of(run("a/small", "small", 0.5, 2.5, 512), run("b/small", "small", 0.3, 3, 512)));
        assertThat(comparison.measure()).isEqualTo("KL, nats a token");
        assertThat(comparison.models()).extracting(Model::name).containsExactly("a/small", "b/small");
        assertThat(comparison.models()).extracting(Model::quality).containsExactly(0.5, 0.3);
        assertThat(comparison.page())
                .contains("<td>* a/small</td><td class=\"n\">0.5000</td><td class=\"n\">0.4000 to 0.6000</td>");
    }

    @Test
    void runsOfOtherWindowsAreRefused() throws IOException {
        List<Path> runs = List.of(run("a", "one", 0.5, 2.5, 512), run("b", "two", 0.3, 3, 256));
        assertThatThrownBy(() -> ModelComparison.of(runs))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("two: text.window: got 256, want 512 as for one: the numbers don't compare; evaluate both"
                        + " alike");
    }

    @Test
    void aFolderThatWasNotEvaluatedIsRefusedWithTheCommandThatDoes() {
        assertThatThrownBy(() -> ModelComparison.of(List.of(folder)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(folder + ": got no evaluation, want evaluation.json: salient evaluate makes it");
    }
}
