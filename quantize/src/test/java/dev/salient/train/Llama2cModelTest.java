package dev.salient.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.tensor.SharedData;
import dev.salient.tokenizer.Tokenizer;
import dev.salient.torch.BatchDecoder;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("shared")
class Llama2cModelTest {
    /** From an independent program: reference.json in the folder of the models. */
    private static final int[] GREEDY = {
        432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410, 408, 419, 292
    };

    @Test
    void storiesOfTheSmallModelAreThoseOfTheReference() throws IOException {
        Path folder = SharedData.expect("data/models/stories260k");
        assertThat(Llama2cModel.isIn(folder)).isTrue();
        Llama2cModel read = Llama2cModel.read(folder);
        Tokenizer tokenizer = read.tokenizer();
        int[] prompt = IntStream.concat(
                        tokenizer.leadingToken().stream(), IntStream.of(tokenizer.encode("Once upon a time")))
                .toArray();
        assertThat(prompt).containsExactly(1, 403, 407, 261, 378);
        TorchDevice cpu = TorchDevice.of("cpu");
        TorchLanguageModel model = TorchLanguageModel.load(read.weights(), cpu);
        try (BatchDecoder decoder = new BatchDecoder(model, 1, 64, cpu)) {
            float[] logits = decoder.start(List.of(prompt), new int[1]);
            for (int want : GREEDY) {
                int best = IntStream.range(0, logits.length)
                        .reduce((a, b) -> logitsOf(logits, a) >= logitsOf(logits, b) ? a : b)
                        .orElseThrow();
                assertThat(best).isEqualTo(want);
                System.arraycopy(decoder.step(new int[] {best}), 0, logits, 0, logits.length);
            }
        }
    }

    private static float logitsOf(float[] logits, int id) {
        return logits[id];
    }

    @Test
    void aHuggingFaceFolderIsNotTakenForOne() throws IOException {
        assertThat(Llama2cModel.isIn(SharedData.expect("data/models/tinystories-656k")))
                .isFalse();
    }
}
