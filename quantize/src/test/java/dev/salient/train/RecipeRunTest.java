package dev.salient.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.FormatException;
import dev.salient.measure.Models;
import dev.salient.measure.Scores;
import dev.salient.measure.Scoring;
import dev.salient.measure.Windows;
import dev.salient.measure.Work;
import dev.salient.model.PackedLanguageModel;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchDevice.Precision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** From a text to a model folder that the runtime opens, and back at any point. */
class RecipeRunTest {
    private static final String RECIPE = """
            {
              "stories": ["stories.txt"],
              "written": [],
              "heldOut": 0.1,
              "vocabulary": 300,
              "model": {"hidden": 32, "ffn": 64, "blocks": 2, "heads": 2, "kvHeads": 1, "context": 128, "ropeBase": 10000},
              "training": {"window": 32, "batch": 4, "steps": 30, "warmUp": 5, "rate": 0.005, "decay": 0.1, "clip": 1.0,
                "chatShare": 0.2, "checkEvery": 10, "seed": 3},
              "ownTexts": [{"file": "own.txt", "prompts": 5, "temperature": 0.8, "seed": 9}]
            }
            """;

    @TempDir
    Path folder;

    private Path recipe;

    private static final class Heard implements RecipeRun.Listener {
        private final List<String> stages = new ArrayList<>();
        private final List<Integer> steps = new ArrayList<>();

        @Override
        public void onStage(String words, int count) {
            stages.add(words + " " + count);
        }

        @Override
        public void onStory(int done, int asked) {}

        @Override
        public void onStep(int stepsDone, double loss) {
            steps.add(stepsDone);
        }

        @Override
        public void onCheck(LossCurve.Point point) {}
    }

    @BeforeEach
    void writeInputs() throws IOException {
        recipe = folder.resolve("recipe.json");
        Files.writeString(recipe, RECIPE);
        StringBuilder stories = new StringBuilder();
        Corpora.stories(80, 1).forEach(story -> stories.append(story).append("\n<|endoftext|>\n"));
        Files.writeString(folder.resolve("stories.txt"), stories);
        TorchDevice.use(1, Precision.HIGHEST);
    }

    @Test
    void aRecipeBecomesAFolderThatTheRuntimeOpensWithTheLossThatWasReported() throws IOException {
        Heard heard = new Heard();
        RecipeRun run = run();
        RecipeRun.Summary summary = run.run(heard);
        assertThat(heard.stages).containsExactly("training 30", "own.txt 1");
        assertThat(heard.steps).hasSize(30);
        assertThat(summary.stories()).isEqualTo(72);
        assertThat(summary.last().step()).isEqualTo(30);
        assertThat(summary.copies().longRun()).isEqualTo(20);
        assertThat(folder.resolve("out/own.txt")).exists();
        assertThat(Files.readString(run.model().resolve("loss.svg")))
                .startsWith("<svg ")
                .endsWith("</svg>\n");
        try (Checkpoint checkpoint = Checkpoints.open(run.model());
                PackedLanguageModel model = new PackedLanguageModel(checkpoint.weights(), 1)) {
            assertThat(checkpoint.endTokens()).containsExactly(0, 2);
            assertThat(checkpoint.chatTemplate()).isEqualTo(ChatForm.TEMPLATE);
            assertThat(checkpoint.expectTokenizer().leadingToken()).hasValue(0);
            double loss = heldOutLoss(checkpoint, model);
            assertThat(loss).isCloseTo(summary.heldOutLoss(), within(5e-3)); // weights rounded to fp16
        }
    }

    private double heldOutLoss(Checkpoint checkpoint, PackedLanguageModel model) throws IOException {
        Stories split = Stories.split(Stories.read(folder.resolve("stories.txt")), 0.1, 1);
        List<int[]> windows = new TrainingText(checkpoint.expectTokenizer(), 0, 3)
                .with(split.heldOut(), 0)
                .windows(0, 33);
        Windows texts = Windows.of(windows, new int[0], Scoring.WHOLE_WINDOW);
        Scores scores = Scores.of(Models.of(model), texts, Work.quietly()).getFirst();
        return Math.log(scores.perplexity().value());
    }

    @Test
    void aFinishedRunIsNotMadeAgain() throws IOException {
        run().run(new Heard());
        byte[] weights = Files.readAllBytes(folder.resolve("out/model/model.safetensors"));
        Heard heard = new Heard();
        run().run(heard);
        assertThat(heard.steps).isEmpty();
        assertThat(Files.readAllBytes(folder.resolve("out/model/model.safetensors")))
                .isEqualTo(weights);
    }

    @Test
    void anotherRecipeInTheSameFolderIsRefused() throws IOException {
        run().run(new Heard());
        Files.writeString(recipe, RECIPE.replace("0.005", "0.004"));
        assertThatThrownBy(() -> run().run(new Heard()))
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith("checkpoint.safetensors: recipe: got {")
                .hasMessageEndingWith("the checkpoint is of another run");
    }

    @Test
    void aRecipeThatIsNoneIsRefusedWithTheField() throws IOException {
        assertRefused(
                RECIPE.replace("\"heldOut\": 0.1", "\"heldOut\": 1.5"),
                "recipe.json: held-out share: got 1.5, want between 0 and 1");
        assertRefused(RECIPE.replace("\"steps\": 30, ", ""), "recipe.json: Missing creator property 'steps' (index 2)");
        assertRefused(
                RECIPE.replace("own.txt", "../own.txt"),
                "recipe.json: own text: got file ../own.txt, want a plain name");
        assertRefused(
                RECIPE.replace("\"heldOut\"", "\"heldout\": 1, \"heldOut\""),
                "recipe.json: Unrecognized field \"heldout\"");
        assertRefused("[", "recipe.json: ");
    }

    private void assertRefused(String json, String message) throws IOException {
        Files.writeString(recipe, json);
        assertThatThrownBy(() -> Recipe.read(recipe))
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith(message);
    }

    private RecipeRun run() throws IOException {
        return new RecipeRun(Recipe.read(recipe), folder, folder.resolve("out"), TorchDevice.of("cpu"));
    }
}
