package dev.salient.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.model.ModelConfig;
import dev.salient.tokenizer.Tokenizer;
import dev.salient.torch.BatchDecoder;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StoryWriterTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");

    @TempDir
    Path folder;

    @Test
    void whatATextBecomesDoesNotDependOnItsNeighbours() throws IOException {
        Map<Integer, String> together = write(4, 40, 12);
        assertThat(together).hasSize(12).isEqualTo(write(1, 40, 12));
        assertThat(together.values().stream().distinct().count()).isGreaterThan(6);
    }

    @Test
    void aTextWithoutAnEndIsHandedOutAsItIs() throws IOException {
        assertThat(write(3, 1, 5).values()).anyMatch(text -> text.startsWith("false") && text.length() > 5);
    }

    /** A model of random weights writes nonsense, but the same nonsense for the same number. */
    private Map<Integer, String> write(int atOnce, int maxTokens, int count) throws IOException {
        Tokenizer tokenizer = Corpora.tokenizer(Corpora.stories(20, 1), 290, folder);
        int vocab = tokenizer.vocabSize();
        ModelConfig config = new ModelConfig(32, 64, 2, 2, 1, 16, vocab, 64, 10000, null, 1e-5, true);
        TorchLanguageModel model = NewModel.of(config, CPU, 1);
        for (NamedTensor parameter : NamedTensor.of(model)) {
            parameter.tensor().set_requires_grad(false);
        }
        List<Integer> allowed = IntStream.range(0, vocab).boxed().toList();
        StoryWriter.Settings settings =
                new StoryWriter.Settings(atOnce, maxTokens, 1, 0.01, 4, allowed, Set.of(0, 1, 2, 100, 101, 102, 103));
        Map<Integer, String> texts = new TreeMap<>();
        try (BatchDecoder decoder = new BatchDecoder(model, atOnce, 64, CPU)) {
            new StoryWriter(decoder, tokenizer, settings, number -> new StoryWriter.Task(List.of(5 + number, 7), 1))
                    .write(
                            IntStream.range(0, count).boxed().toList(),
                            (number, text, ended) -> texts.put(number, ended + text));
        }
        return texts;
    }
}
