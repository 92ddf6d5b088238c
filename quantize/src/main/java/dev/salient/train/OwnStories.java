package dev.salient.train;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.tokenizer.Tokenizer;
import dev.salient.torch.BatchDecoder;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/** Stories that a model trained here writes itself, each from an opening drawn by seed. */
final class OwnStories {
    private static final int AT_ONCE = 32;
    private static final double MIN_PROBABILITY = 0.05;
    private static final int MIN_WORDS = 40;
    private static final int MAX_WORDS = 300;

    private OwnStories() {}

    /** Stories of a model's folder; those that the filter keeps, of as many as are asked for. */
    static List<String> write(Path folder, Recipe.OwnText how, TorchDevice device) throws IOException {
        List<String> kept = new ArrayList<>();
        StoryFilter filter = new StoryFilter(MIN_WORDS, MAX_WORDS);
        try (Checkpoint checkpoint = Checkpoints.open(folder)) {
            TorchLanguageModel model = TorchLanguageModel.load(checkpoint.weights(), device);
            Tokenizer tokenizer = checkpoint.expectTokenizer();
            int end = ModelFolder.CONTROL_TOKENS.indexOf(Stories.END);
            List<Integer> allowed = IntStream.range(0, tokenizer.vocabSize())
                    .filter(id -> id == end || id >= ModelFolder.CONTROL_TOKENS.size())
                    .boxed()
                    .toList();
            int context = model.config().contextLength();
            StoryWriter.Settings settings = new StoryWriter.Settings(
                    AT_ONCE, context, how.temperature(), MIN_PROBABILITY, how.seed(), allowed, Set.of(end));
            try (BatchDecoder decoder = new BatchDecoder(model.withHeadOf(allowed, device), AT_ONCE, context, device)) {
                List<String> stories = new ArrayList<>(java.util.Collections.nCopies(how.prompts(), ""));
                new StoryWriter(decoder, tokenizer, settings, number -> task(tokenizer, how.seed(), number))
                        .write(
                                IntStream.range(0, how.prompts()).boxed().toList(),
                                (number, text, ended) -> stories.set(number, ended ? text : ""));
                stories.stream().map(StoryFilter::plain).filter(filter::keeps).forEach(kept::add);
            }
        }
        return kept;
    }

    private static StoryWriter.Task task(Tokenizer tokenizer, long seed, int number) {
        int[] opening =
                tokenizer.encode(StoryPrompts.standard().prompt(seed, number).opening());
        List<Integer> prompt = new ArrayList<>();
        tokenizer.leadingToken().ifPresent(prompt::add);
        IntStream.of(opening).forEach(prompt::add);
        return new StoryWriter.Task(prompt, opening.length);
    }
}
