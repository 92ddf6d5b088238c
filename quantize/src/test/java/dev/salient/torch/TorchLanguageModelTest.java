package dev.salient.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.calibration.IntactKeys;
import dev.salient.corpus.Corpus;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.ModelWeights;
import dev.salient.model.PackedLanguageModel;
import dev.salient.pipeline.TinyLlama;
import dev.salient.tensor.SharedData;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** libtorch's model against the packed runtime and against an independent program's numbers. */
class TorchLanguageModelTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");

    @TempDir
    Path folder;

    @ParameterizedTest(name = "{0} tokens")
    @ValueSource(ints = {2, 70, 128})
    void libtorchAndThePackedRuntimeAgreeOnLogits(int tokens) throws IOException {
        TinyLlama.write(folder, 3);
        int[] ids = new Random(1).ints(tokens, 0, 256).toArray();
        try (Checkpoint checkpoint = Checkpoints.open(folder);
                PackedLanguageModel packed = new PackedLanguageModel(checkpoint.weights(), 1);
                KvCache cache = packed.newCache(tokens);
                TorchScope scope = new TorchScope()) {
            TorchLanguageModel model = TorchLanguageModel.load(checkpoint.weights(), CPU);
            Rope rope = Rope.of(model.config(), tokens, CPU);
            Tensor logits = model.logits(CPU.longs(ids, 1, tokens), rope);
            float[] want = TorchDevice.toFloats(logits);
            packed.forward(ids, cache, (position, row) -> {
                for (int v = 0; v < row.length; v++) {
                    assertThat(row[v]).isCloseTo(want[position * row.length + v], within(1e-4f));
                }
            });
        }
    }

    /** In a batch each sequence is judged by its own start: it agrees with all intact tokens, with one, with none. */
    @Test
    void libtorchAndThePackedRuntimeAgreeOnIntactKeysAndValues() throws IOException {
        TinyLlama.write(folder, 3);
        TinyLlama.write(folder.resolve("other"), 4);
        int tokens = 40;
        int[] starts = {7, 9, 7, 8, 8, 7}; // of three sequences
        int[] ids = new Random(1).ints(3L * tokens, 0, 256).toArray();
        for (int i = 0; i < starts.length; i++) {
            ids[i / 2 * tokens + i % 2] = starts[i];
        }
        try (Checkpoint checkpoint = Checkpoints.open(folder);
                Checkpoint other = Checkpoints.open(folder.resolve("other"));
                TorchScope scope = new TorchScope()) {
            ModelWeights weights =
                    checkpoint.weights().withIntact(IntactKeys.of(other.weights(), new int[] {7, 9}, CPU));
            TorchLanguageModel model = TorchLanguageModel.load(weights, CPU);
            float[] got =
                    TorchDevice.toFloats(model.logits(CPU.longs(ids, 3, tokens), Rope.of(model.config(), tokens, CPU)));
            float[] own = TorchDevice.toFloats(TorchLanguageModel.load(checkpoint.weights(), CPU)
                    .logits(CPU.longs(ids, 3, tokens), Rope.of(model.config(), tokens, CPU)));
            try (PackedLanguageModel packed = new PackedLanguageModel(weights, 1)) {
                for (int sequence = 0; sequence < 3; sequence++) {
                    int from = sequence * tokens * 256;
                    double difference = 0;
                    try (KvCache cache = packed.newCache(tokens)) {
                        packed.forward(
                                Arrays.copyOfRange(ids, sequence * tokens, (sequence + 1) * tokens),
                                cache,
                                (position, row) -> {
                                    for (int v = 0; v < row.length; v++) {
                                        assertThat(got[from + position * row.length + v])
                                                .isCloseTo(row[v], within(1e-4f));
                                    }
                                });
                    }
                    for (int i = from; i < from + tokens * 256; i++) {
                        difference = Math.max(difference, Math.abs(got[i] - own[i]));
                    }
                    boolean begins = starts[2 * sequence] == 7;
                    assertThat(difference)
                            .as("sequence %d", sequence)
                            .isBetween(begins ? 0.01 : 0, begins ? 100 : 1e-4);
                }
            }
        }
    }

    @Test
    @Tag("shared")
    void smolLmGivesTheReferencesLogitsAndLosses() throws IOException {
        JsonNode want = new ObjectMapper()
                .readTree(
                        SharedData.expect("data/models/reference-smollm2.json").toFile());
        Path text = SharedData.expect("data/text/wikitext2/wiki.test.raw");
        try (Checkpoint checkpoint = Checkpoints.open(
                        SharedData.expect("data/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf"));
                TorchScope scope = new TorchScope()) {
            TorchLanguageModel model = TorchLanguageModel.load(checkpoint.weights(), CPU);
            Rope rope = Rope.of(model.config(), 512, CPU);
            int[] prompt = new int[want.get("prompt_ids").size()];
            for (int i = 0; i < prompt.length; i++) {
                prompt[i] = want.get("prompt_ids").get(i).asInt();
            }
            float[] logits = last(model, prompt);
            JsonNode first16 = want.get("last_logits_first16");
            for (int v = 0; v < first16.size(); v++) {
                assertThat((double) logits[v])
                        .as("logit %d", v)
                        .isCloseTo(first16.get(v).asDouble(), within(2e-3));
            }
            JsonNode losses = want.get("wikitext2_test_first_4_windows_of_512").get("mean_nll_per_window");
            List<int[]> windows =
                    Corpus.read(List.of(text), checkpoint.expectTokenizer()).adjacentWindows(512, losses.size());
            for (int w = 0; w < losses.size(); w++) {
                assertThat(loss(model, windows.get(w), rope))
                        .as("window %d", w)
                        .isCloseTo(losses.get(w).asDouble(), within(1e-3));
            }
        }
    }

    private static float[] last(TorchLanguageModel model, int[] ids) {
        try (TorchScope scope = new TorchScope()) {
            Rope rope = Rope.of(model.config(), ids.length, CPU);
            Tensor logits = model.logits(CPU.longs(ids, 1, ids.length), rope);
            return TorchDevice.toFloats(logits.narrow(1, ids.length - 1, 1));
        }
    }

    private static double loss(TorchLanguageModel model, int[] ids, Rope rope) {
        try (TorchScope scope = new TorchScope()) {
            Tensor logits = model.logits(CPU.longs(ids, 1, ids.length), rope).squeeze(0);
            Tensor next = CPU.longs(ids, ids.length).narrow(0, 1, ids.length - 1);
            return torch.cross_entropy_loss(logits.narrow(0, 0, ids.length - 1), next)
                    .item_double();
        }
    }
}
