package dev.salient.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code evaluate} measures beside a text, end to end on a model that this test writes. */
class EvaluateMoreTest {
    @TempDir
    static Path folder;

    private static Path model;
    private static Path other;
    private static Path text;

    @BeforeAll
    static void write() throws IOException {
        model = TinyModel.write(folder.resolve("tiny"), 1);
        other = TinyModel.write(folder.resolve("other"), 2);
        text = Files.writeString(folder.resolve("text.txt"), "The quick brown fox jumps over the lazy dog. ".repeat(8));
        Files.writeString(folder.resolve("arc_easy.jsonl"), """
                {"question": "What is wet?", "choices": ["fire", "rain"], "gold": 1}
                {"question": "What is hot?", "choices": ["fire", "rain"], "gold": 0}
                {"question": "What is loud?", "choices": ["thunder", "snow", "wool"], "gold": 0}
                """);
    }

    @Test
    void tasksTextsAndSpeedStandInOneObject() throws IOException {
        JsonNode json = evaluate("--tasks", "arc_easy", "--task-data", folder, "--items", 2, "--generate", "--speed");
        JsonNode task = json.path("tasks").path(0);
        assertThat(task.path("name").asText()).isEqualTo("arc_easy");
        assertThat(task.path("items").asInt()).isEqualTo(2);
        assertThat(task.path("acc").asDouble()).isIn(0.0, 0.5, 1.0);
        JsonNode generation = json.path("generation");
        assertThat(generation.path("collapsed").asBoolean())
                .isEqualTo(!generation.path("reasons").isEmpty());
        assertThat(generation.path("samples")).hasSize(6).allSatisfy(sample -> {
            assertThat(sample.path("prompt").asText()).isNotEmpty();
            assertThat(sample.has("original")).isTrue();
        });
        assertThat(json.at("/speed/decodeTokensPerSecond").asDouble()).isPositive();
        assertThat(json.at("/speed/threads").asInt()).isEqualTo(1);
    }

    @Test
    void aModelOfRandomWeightsHasCollapsed() throws IOException {
        JsonNode generation = evaluate("--generate").path("generation");
        assertThat(generation.path("collapsed").asBoolean()).isTrue();
    }

    @Test
    void whatWasNotAskedForIsNotThere() throws IOException {
        JsonNode json = evaluate();
        assertThat(json.has("tasks")).isFalse();
        assertThat(json.has("generation")).isFalse();
        assertThat(json.has("speed")).isFalse();
    }

    @Test
    void wrongTasksAreSaidInOneLine() {
        assertThat(Run.of("evaluate", model, "--text", text, "--tasks", "arc_easy"))
                .isEqualTo(new Run(
                        2,
                        "",
                        "salient: --tasks: got no --task-data, want the folder with the tasks' files,"
                                + " as in --task-data data/tasks\n"));
        assertThat(Run.of("evaluate", model, "--text", text, "--tasks", "mmlu", "--task-data", folder)
                        .err())
                .isEqualTo("salient: task: got mmlu, want piqa, arc_easy, arc_challenge, hellaswag, winogrande, boolq,"
                        + " openbookqa\n");
        assertThat(Run.of("evaluate", model, "--text", text, "--tasks", "all", "--items", 0)
                        .err())
                .isEqualTo("salient: --items: got 0, want 1 or more\n");
    }

    private static JsonNode evaluate(Object... more) throws IOException {
        Object[] fixed = {
            "evaluate",
            model,
            "--against",
            other,
            "--text",
            text,
            "--window",
            64,
            "--threads",
            1,
            "--json",
            "--cache",
            folder.resolve("cache")
        };
        Object[] arguments = new Object[fixed.length + more.length];
        System.arraycopy(fixed, 0, arguments, 0, fixed.length);
        System.arraycopy(more, 0, arguments, fixed.length, more.length);
        Run run = Run.of(arguments);
        assertThat(run.status()).as(run.err()).isZero();
        return new ObjectMapper().readTree(run.out()).path("evaluations").path(0);
    }
}
