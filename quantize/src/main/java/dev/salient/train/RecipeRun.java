package dev.salient.train;

import dev.salient.format.hf.HfFolder;
import dev.salient.format.json.JsonFiles;
import dev.salient.model.ModelConfig;
import dev.salient.tokenizer.Tokenizer;
import dev.salient.tokenizer.Tokenizers;
import dev.salient.torch.TorchDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Follows a recipe in a folder, from texts to a model; what is there already is not made again.
 *
 * <p>The folder holds {@code work/} (written stories, the training checkpoint) and {@code model/} (the result).
 */
public final class RecipeRun {
    private static final long HELD_OUT_SEED = 1;
    /** Windows of held-out text that a look at the loss while training costs. */
    private static final int QUICK_LOOK = 16;
    /** Words in a row from which on a run counts as copied. */
    private static final int LONG_RUN = 20;

    private final Recipe recipe;
    private final Path data;
    private final Path work;
    private final Path model;
    private final TorchDevice device;

    /** Told what goes on. */
    public interface Listener extends Pretrainer.Listener {
        /** A new part of the work begins. */
        void onStage(String words, int steps);

        /** A story was written, kept or not. */
        void onStory(int done, int asked);
    }

    /**
     * What a run came to.
     *
     * @param stories that the model learned from
     * @param tokens of these stories, told once
     * @param heldOutLoss nats per token over all held-out stories of the recipe's texts
     * @param writtenHeldOutLoss the same for the stories that language models wrote; 0 where they fill no window
     * @param copies what the model's own texts hold of the stories that it learned from
     */
    public record Summary(
            int stories,
            long tokens,
            LossCurve.Point last,
            double heldOutLoss,
            double writtenHeldOutLoss,
            CopyCheck.Result copies) {}

    /**
     * A run that is still to be made, or to be taken up.
     *
     * @param data the folder that the recipe's files lie in
     * @param folder the run's own
     */
    public RecipeRun(Recipe recipe, Path data, Path folder, TorchDevice device) {
        this.recipe = recipe;
        this.data = data;
        this.work = folder.resolve("work");
        this.model = folder.resolve("model");
        this.device = device;
    }

    /** The folder of the finished model. */
    public Path model() {
        return model;
    }

    /** Writes stories, learns the vocabulary, trains, and writes the model. */
    public Summary run(Listener listener) throws IOException {
        Files.createDirectories(work);
        List<Stories> texts = new ArrayList<>();
        for (String file : recipe.stories()) {
            texts.add(split(Stories.read(data.resolve(file))));
        }
        List<String> learned =
                texts.stream().flatMap(t -> t.training().stream()).toList();
        BpeVocabulary vocabulary = BpeTrainer.train(learned, recipe.vocabulary(), ModelFolder.CONTROL_TOKENS);
        ModelFolder.writeTokenizer(model, vocabulary, recipe.model().context());
        List<Stories> written = new ArrayList<>();
        for (int i = 0; i < recipe.written().size(); i++) {
            written.add(split(written(i, listener)));
        }
        return train(texts, written, listener);
    }

    private Stories split(List<String> stories) {
        return Stories.split(stories, recipe.heldOut(), HELD_OUT_SEED);
    }

    private Path writtenFile(int index) {
        return work.resolve("written-" + index + ".txt");
    }

    private List<String> written(int index, Listener listener) throws IOException {
        Path file = writtenFile(index);
        if (!Files.exists(file)) {
            Recipe.Written how = recipe.written().get(index);
            listener.onStage("stories by " + Path.of(how.model()).getFileName(), how.prompts());
            WrittenStories.write(how, data, new WrittenStories.Output(file, device, listener));
        }
        return Stories.read(file);
    }

    private Summary train(List<Stories> texts, List<Stories> written, Listener listener) throws IOException {
        Pretraining settings = recipe.training();
        Tokenizer tokenizer =
                Tokenizers.fromJson(model.resolve(HfFolder.TOKENIZER), model.resolve(HfFolder.TOKENIZER_CONFIG));
        TrainingText text = new TrainingText(tokenizer, settings.chatShare(), settings.seed());
        texts.forEach(t -> text.with(t.training(), 0));
        for (int i = 0; i < written.size(); i++) {
            text.with(written.get(i).training(), recipe.written().get(i).firstEpoch());
        }
        List<int[]> heldOut = heldOut(texts, tokenizer);
        ModelConfig config = recipe.model().config(tokenizer.vocabSize());
        try (Pretrainer trainer = new Pretrainer(config, settings, device)) {
            Path checkpoint = work.resolve("checkpoint.safetensors");
            Map<String, String> identity = Map.of("recipe", recipe.toJson());
            if (Files.exists(checkpoint)) {
                TrainingCheckpoint.restore(checkpoint, trainer, identity);
            }
            listener.onStage("training", settings.steps() - trainer.stepsDone());
            List<int[]> quickLook = heldOut.subList(0, Math.min(QUICK_LOOK, heldOut.size()));
            boolean more = trainer.stepsDone() < settings.steps();
            while (more) {
                more = trainer.trainToNextCheck(text, quickLook, listener);
                TrainingCheckpoint.write(checkpoint, trainer, identity);
            }
            ModelFolder.writeWeights(model, trainer.model());
            JsonFiles.writeText(model.resolve("loss.svg"), LossCurveImage.svg(trainer.curve()));
            int stories = texts.stream().mapToInt(t -> t.training().size()).sum()
                    + written.stream().mapToInt(t -> t.training().size()).sum();
            return new Summary(
                    stories,
                    text.tokenCount(),
                    trainer.curve().last(),
                    trainer.loss(heldOut),
                    writtenLoss(trainer, written, tokenizer),
                    writeOwnTexts(texts, written, listener));
        }
    }

    private List<int[]> heldOut(List<Stories> texts, Tokenizer tokenizer) {
        return heldOutText(texts, tokenizer).windows(0, recipe.training().window() + 1);
    }

    private TrainingText heldOutText(List<Stories> texts, Tokenizer tokenizer) {
        TrainingText text = new TrainingText(tokenizer, 0, recipe.training().seed());
        texts.forEach(t -> text.with(t.heldOut(), 0));
        return text;
    }

    /** A few stories may be less than a window. */
    private double writtenLoss(Pretrainer trainer, List<Stories> written, Tokenizer tokenizer) {
        boolean enough =
                heldOutText(written, tokenizer).tokenCount() > recipe.training().window();
        return enough ? trainer.loss(heldOut(written, tokenizer)) : 0;
    }

    private CopyCheck.Result writeOwnTexts(List<Stories> texts, List<Stories> written, Listener listener)
            throws IOException {
        List<String> own = new ArrayList<>();
        for (Recipe.OwnText how : recipe.ownTexts()) {
            listener.onStage(how.file(), 1);
            List<String> stories = OwnStories.write(model, how, device);
            JsonFiles.writeText(model.resolveSibling(how.file()), String.join("\n\n", stories) + "\n");
            own.addAll(stories);
        }
        List<String> learned = Stream.concat(texts.stream(), written.stream())
                .flatMap(stories -> stories.training().stream())
                .toList();
        return new CopyCheck(learned).check(own, LONG_RUN);
    }
}
