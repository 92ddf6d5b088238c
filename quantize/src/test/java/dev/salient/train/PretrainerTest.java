package dev.salient.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.FormatException;
import dev.salient.model.ModelConfig;
import dev.salient.tokenizer.Tokenizer;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchDevice.Precision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PretrainerTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final Pretraining SETTINGS = new Pretraining(32, 4, 60, 5, 5e-3, 0.1, 1, 0.1, 20, 3);
    private static final Map<String, String> IDENTITY = Map.of("recipe", "a");

    @TempDir
    Path folder;

    private ModelConfig config;
    private TrainingText text;
    private List<int[]> heldOut;

    private static final class Losses implements Pretrainer.Listener {
        private final List<Double> steps = new ArrayList<>();

        @Override
        public void onStep(int stepsDone, double loss) {
            steps.add(loss);
        }

        @Override
        public void onCheck(LossCurve.Point point) {}
    }

    @BeforeEach
    void makeText() throws IOException {
        List<String> stories = Corpora.stories(60, 1);
        Tokenizer tokenizer = Corpora.tokenizer(stories, 300, folder);
        config = new ModelConfig(32, 64, 2, 2, 1, 16, tokenizer.vocabSize(), 64, 10000, null, 1e-5, true);
        text = new TrainingText(tokenizer, 0.1, 3).with(stories, 0);
        heldOut = new TrainingText(tokenizer, 0, 3)
                .with(Corpora.stories(10, 2), 0)
                .windows(0, 33);
        TorchDevice.use(1, Precision.HIGHEST);
    }

    @Test
    void theLossFallsFromThatOfGuessingOnATinyCorpus() {
        Losses losses = new Losses();
        try (Pretrainer trainer = new Pretrainer(config, SETTINGS, CPU)) {
            train(trainer, losses);
            assertThat(losses.steps).hasSize(60);
            assertThat(losses.steps.getFirst()).isCloseTo(Math.log(config.vocabSize()), within(0.1));
            assertThat(trainer.curve().points())
                    .extracting(LossCurve.Point::step)
                    .containsExactly(20, 40, 60);
            assertThat(trainer.curve().last().heldOut()).isLessThan(2.5);
            assertThat(trainer.loss(heldOut)).isEqualTo(trainer.curve().last().heldOut());
        }
    }

    @Test
    void aResumedRunEqualsAnUninterruptedRunByteForByte() throws IOException {
        Path whole = folder.resolve("whole.safetensors");
        try (Pretrainer trainer = new Pretrainer(config, SETTINGS, CPU)) {
            train(trainer, new Losses());
            TrainingCheckpoint.write(whole, trainer, IDENTITY);
        }
        Path part = folder.resolve("part.safetensors");
        boolean more = true;
        while (more) {
            try (Pretrainer trainer = new Pretrainer(config, SETTINGS, CPU)) {
                if (Files.exists(part)) {
                    TrainingCheckpoint.restore(part, trainer, IDENTITY);
                }
                more = trainer.trainToNextCheck(text, heldOut, new Losses());
                TrainingCheckpoint.write(part, trainer, IDENTITY);
            }
        }
        assertThat(part).hasSameBinaryContentAs(whole);
    }

    @Test
    void aCheckpointOfAnotherRunIsRefused() throws IOException {
        Path file = folder.resolve("checkpoint.safetensors");
        try (Pretrainer trainer = new Pretrainer(config, SETTINGS, CPU)) {
            TrainingCheckpoint.write(file, trainer, IDENTITY);
            assertThatThrownBy(() -> TrainingCheckpoint.restore(file, trainer, Map.of("recipe", "b")))
                    .isInstanceOf(FormatException.class)
                    .hasMessage("checkpoint.safetensors: recipe: got a, want b: the checkpoint is of another run");
        }
    }

    @Test
    void theRateRisesThenFollowsACosineToATenth() {
        Pretraining settings = new Pretraining(8, 1, 110, 10, 1e-3, 0, 1, 0, 10, 0);
        assertThat(settings.rateAt(0)).isEqualTo(1e-4);
        assertThat(settings.rateAt(9)).isEqualTo(1e-3);
        assertThat(settings.rateAt(10)).isEqualTo(1e-3);
        assertThat(settings.rateAt(60)).isCloseTo(5.5e-4, within(1e-9));
        assertThat(settings.rateAt(110)).isCloseTo(1e-4, within(1e-9));
    }

    @Test
    void settingsOutOfRangeAreRefused() {
        assertThatThrownBy(() -> new Pretraining(8, 1, 10, 10, 1e-3, 0, 1, 0, 10, 0))
                .hasMessage("warm-up: got 10 steps, want 0 to 9");
        Pretraining wide = new Pretraining(65, 1, 10, 1, 1e-3, 0, 1, 0, 10, 0);
        assertThatThrownBy(() -> new Pretrainer(config, wide, CPU))
                .hasMessage("window: got 65, want at most the context's 64");
    }

    private void train(Pretrainer trainer, Losses losses) {
        boolean more = true;
        while (more) {
            more = trainer.trainToNextCheck(text, heldOut, losses);
        }
    }

    private static org.assertj.core.data.Offset<Double> within(double bound) {
        return org.assertj.core.api.Assertions.within(bound);
    }
}
