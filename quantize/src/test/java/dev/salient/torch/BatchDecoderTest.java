package dev.salient.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;

/** Many sequences at once give what each gives alone, read from its beginning. */
class BatchDecoderTest {
    private static final int VOCAB = 50;
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final ModelConfig CONFIG = new ModelConfig(32, 64, 2, 4, 2, 8, VOCAB, 64, 10000, null, 1e-5, true);

    private final Random random = new Random(5);
    private final TorchLanguageModel model = randomModel();

    @Test
    void sequencesOfDifferentLengthsGiveTheLogitsOfEachAlone() {
        List<int[]> texts = List.of(ids(9), ids(4), ids(1));
        try (BatchDecoder decoder = new BatchDecoder(model, 3, 32, CPU)) {
            float[] logits = decoder.start(texts, new int[] {2, 0, 1});
            for (int p = 0; p < 3; p++) {
                assertRow(logits, p, texts.get(p));
            }
            List<int[]> bySlot = new ArrayList<>(List.of(texts.get(1), texts.get(2), texts.get(0)));
            for (int step = 0; step < 5; step++) {
                stepAndCheck(decoder, bySlot);
            }
        }
    }

    @Test
    void aSlotThatIsFilledAgainForgetsItsSequence() {
        try (BatchDecoder decoder = new BatchDecoder(model, 2, 32, CPU)) {
            List<int[]> bySlot = new ArrayList<>(List.of(ids(3), ids(8)));
            decoder.start(bySlot, new int[] {0, 1});
            stepAndCheck(decoder, bySlot);
            bySlot.set(1, ids(2));
            assertRow(decoder.start(List.of(bySlot.get(1)), new int[] {1}), 0, bySlot.get(1));
            stepAndCheck(decoder, bySlot);
        }
    }

    @Test
    void aHeadOfSomeTokensGivesTheirLogits() {
        List<Integer> some = List.of(7, 3, 40);
        int[] prompt = ids(4);
        try (BatchDecoder decoder = new BatchDecoder(model.withHeadOf(some, CPU), 1, 16, CPU)) {
            float[] got = decoder.start(List.of(prompt), new int[1]);
            float[] want = alone(prompt);
            assertThat(got).hasSize(3);
            for (int i = 0; i < 3; i++) {
                assertThat(got[i]).isCloseTo(want[some.get(i)], within(1e-5f));
            }
        }
    }

    @Test
    void promptsThatDoNotFitAreRefused() {
        try (BatchDecoder decoder = new BatchDecoder(model, 1, 8, CPU)) {
            assertThatThrownBy(() -> decoder.start(List.of(ids(9)), new int[1]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("prompt: got 9 tokens, want at most 8");
            assertThatThrownBy(() -> decoder.start(List.of(new int[0]), new int[1]))
                    .hasMessage("prompt 0: got no tokens, want at least one");
            assertThatThrownBy(() -> decoder.step(new int[2])).hasMessage("tokens: got 2, want 1");
        }
        assertThatThrownBy(() -> new BatchDecoder(model, 1, 65, CPU))
                .hasMessage("capacity: got 65, want 1 to the context's 64");
    }

    private void stepAndCheck(BatchDecoder decoder, List<int[]> bySlot) {
        int[] next = ids(bySlot.size());
        for (int s = 0; s < next.length; s++) {
            bySlot.set(s, join(bySlot.get(s), next[s]));
        }
        float[] logits = decoder.step(next);
        for (int s = 0; s < next.length; s++) {
            assertRow(logits, s, bySlot.get(s));
        }
    }

    /** The same sums in another order: logits here are below 2, so 1e-5 is some ten roundings. */
    private void assertRow(float[] logits, int row, int[] text) {
        float[] want = alone(text);
        for (int i = 0; i < VOCAB; i++) {
            assertThat(logits[row * VOCAB + i]).as("row %d, token %d", row, i).isCloseTo(want[i], within(1e-5f));
        }
    }

    private float[] alone(int[] text) {
        try (TorchScope scope = new TorchScope()) {
            Rope rope = Rope.of(CONFIG, text.length, CPU);
            Tensor logits = model.logits(CPU.longs(text, 1, text.length), rope);
            return TorchDevice.toFloats(logits.select(1, text.length - 1));
        }
    }

    private int[] ids(int count) {
        return random.ints(count, 0, VOCAB).toArray();
    }

    private static int[] join(int[] first, int... second) {
        int[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    private TorchLanguageModel randomModel() {
        List<TorchLanguageModel.Block> blocks = new ArrayList<>();
        for (int b = 0; b < CONFIG.blockCount(); b++) {
            Map<Linear, Tensor> weights = new EnumMap<>(Linear.class);
            for (Linear linear : Linear.values()) {
                weights.put(linear, normal(linear.out(CONFIG), linear.in(CONFIG)));
            }
            TorchBlock block = new TorchBlock(CONFIG, normal(32), normal(32));
            blocks.add(new TorchLanguageModel.Block(block, weights));
        }
        Tensor embedding = normal(VOCAB, 32);
        return new TorchLanguageModel(CONFIG, embedding, blocks, normal(32), embedding);
    }

    private Tensor normal(int... shape) {
        int count = Arrays.stream(shape).reduce(1, Math::multiplyExact);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (0.2 * random.nextGaussian());
        }
        return CPU.floats(values, Arrays.stream(shape).mapToLong(n -> n).toArray());
    }
}
