package dev.salient.cli.make;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.cli.Command;
import dev.salient.cli.CommonOptions;
import dev.salient.cli.Console;
import dev.salient.cli.ThreadsOption;
import dev.salient.format.json.JsonFiles;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchDevice.Precision;
import dev.salient.train.Recipe;
import dev.salient.train.RecipeRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command {@code train}: a small model from scratch, as a recipe says. */
@CommandLine.Command(
        name = "train",
        header = "Train a small model from scratch.",
        description = {
            "Follows RECIPE, a JSON file: lets language models write further stories, learns a vocabulary from the texts,"
                    + " trains, and writes the model as a Hugging Face folder, OUT/model, with its loss curve.",
            "The same recipe on the same kind of machine with as many threads gives the same model.",
            "The recipe of the model that comes with the program lies beside it: embedded/recipe.json."
        })
final class TrainCommand implements Command {
    @Parameters(index = "0", paramLabel = "RECIPE", description = "What to learn from, how, and how long.")
    private Path recipe = Path.of("");

    @Option(
            names = "--data",
            required = true,
            paramLabel = "DIR",
            description = "The folder that the recipe's files lie in.")
    private Path data = Path.of("");

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "A folder for this run.")
    private Path out = Path.of("");

    @Option(names = "--resume", description = "Go on with the run in this folder, where it was left.")
    private boolean resume;

    @Option(
            names = "--device",
            paramLabel = "NAME",
            defaultValue = "cpu",
            description = "cpu, cuda or cuda:N. Default: ${DEFAULT-VALUE}.")
    private String device = "cpu";

    @Mixin
    private final ThreadsOption threads = new ThreadsOption();

    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) throws IOException {
        Recipe what = Recipe.read(recipe);
        int threadCount = threads.threads();
        TorchDevice where = TorchDevice.of(device);
        boolean begun = Files.isDirectory(out);
        require(resume || !begun, "%s: got a folder that is there, want a new one, or --resume to go on in it", out);
        require(!resume || begun, "%s: got --resume and no such folder, want one of a run that was begun", out);
        TorchDevice.use(threadCount, Precision.HIGHEST);
        RecipeRun run = new RecipeRun(what, data, out, where);
        try (TrainProgress progress = new TrainProgress(console)) {
            RecipeRun.Summary summary = run.run(progress);
            Files.copy(recipe, run.model().resolve("recipe.json"), StandardCopyOption.REPLACE_EXISTING);
            ObjectNode json = json(summary);
            json.put("threads", threadCount);
            JsonFiles.write(out.resolve("summary.json"), json);
            progress.close();
            print(console, run, summary);
            console.result(json);
        }
    }

    private static void print(Console console, RecipeRun run, RecipeRun.Summary summary) {
        console.line("%s", run.model());
        console.line("  learned from  %,d stories, %,d tokens", summary.stories(), summary.tokens());
        console.line("  held-out loss %.3f nats per token", summary.heldOutLoss());
        if (summary.writtenHeldOutLoss() > 0) {
            console.line("  ... of the stories written for it: %.3f", summary.writtenHeldOutLoss());
        }
        console.line(
                "  copies        of %d stories by the model %d hold %d or more words in a row that it learned;"
                        + " the longest run is %d words: %s",
                summary.copies().texts(),
                summary.copies().textsWithLongRuns(),
                summary.copies().longRun(),
                summary.copies().longestRun(),
                summary.copies().run());
    }

    private static ObjectNode json(RecipeRun.Summary summary) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("stories", summary.stories()).put("tokens", summary.tokens());
        json.put("steps", summary.last().step())
                .put("trainingLoss", summary.last().training());
        json.put("heldOutLoss", summary.heldOutLoss());
        json.put("writtenHeldOutLoss", summary.writtenHeldOutLoss());
        ObjectNode copies = json.putObject("copies");
        copies.put("texts", summary.copies().texts())
                .put("longRun", summary.copies().longRun());
        copies.put("textsWithLongRuns", summary.copies().textsWithLongRuns());
        copies.put("longestRun", summary.copies().longestRun())
                .put("run", summary.copies().run());
        return json;
    }
}
