package dev.salient.pipeline;

import dev.salient.format.Checkpoint;
import dev.salient.generate.Ending;
import dev.salient.generate.Generation;
import dev.salient.generate.Sampling;
import dev.salient.generate.Session;
import dev.salient.model.PackedLanguageModel;
import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.LongConsumer;

/** Calibration text that the model writes itself, where the user gives none. */
final class OwnText {
    private OwnText() {}

    /**
     * Windows of sampled text, each begun with a token drawn from the vocabulary, so that they differ.
     *
     * @param onToken told how many tokens are written in all
     */
    static List<int[]> windows(Checkpoint checkpoint, RunSettings settings, int count, LongConsumer onToken)
            throws IOException {
        int tokens = settings.calibration().tokens();
        Tokenizer tokenizer = checkpoint.expectTokenizer();
        SplittableRandom random = new SplittableRandom(settings.seed());
        List<int[]> windows = new ArrayList<>();
        try (PackedLanguageModel model = new PackedLanguageModel(
                        checkpoint.weights(), settings.machine().threads());
                Session session = new Session(model, tokenizer, tokens)) {
            for (int i = 0; i < count; i++) {
                int[] first = {random.nextInt(checkpoint.weights().config().vocabSize())};
                Sampling sampling = new Sampling(1.0, 0.95, 0, 0, 1, random.nextLong());
                Ending ending = new Ending(tokens - 1, Set.of(), List.of());
                Generation written = session.generate(first, sampling, ending, piece -> {});
                int[] window = new int[tokens];
                window[0] = first[0];
                for (int t = 1; t < tokens; t++) {
                    window[t] = written.ids().get(t - 1);
                }
                windows.add(window);
                onToken.accept((long) (i + 1) * tokens);
            }
        }
        return windows;
    }
}
