package dev.salient.tune;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.calibration.Activations;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.model.Linear;
import dev.salient.pipeline.TinyFamily;
import dev.salient.pipeline.TinyLlama;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The divergence and its gradients, block by block, against libtorch differentiating the whole model at once. */
class DistillationTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int TOKENS = 30;

    @TempDir
    Path folder;

    /** Of the two blocks' graphs for three windows none, some or all are kept. */
    @ParameterizedTest(name = "{0} graphs kept, {1} windows at once, {2} rows")
    @CsvSource({"0, 1, 128", "1, 1, 128", "3, 1, 7", "6, 1, 128", "0, 2, 50", "4, 2, 128", "6, 3, 13", "2, 8, 2048"})
    void gradientsAreThoseOfTheWholeModel(int graphs, int together, int rows) throws IOException {
        TinyLlama.write(folder, 3);
        assertGradientsAreThoseOfTheWholeModel(new Tuner.Room(graphs, together, rows), List.of(1, 0));
    }

    @Test
    void gradientsGoThroughGemmasBoundsAndNorms() throws IOException {
        TinyFamily.write(folder, "gemma2");
        assertGradientsAreThoseOfTheWholeModel(new Tuner.Room(3, 2, 128), List.of(3, 2, 1, 0));
    }

    private void assertGradientsAreThoseOfTheWholeModel(Tuner.Room room, List<Integer> blocks) throws IOException {
        List<int[]> windows = windows(4);
        List<Integer> batch = List.of(3, 0, 2);
        try (Checkpoint checkpoint = Checkpoints.open(folder);
                Activations wanted = Activations.inMemory(new Activations.Size(4, TOKENS, 64));
                TorchScope scope = new TorchScope()) {
            TorchLanguageModel original = TorchLanguageModel.load(checkpoint.weights(), CPU);
            TorchLanguageModel changed = changed(TorchLanguageModel.load(checkpoint.weights(), CPU));
            double whole = differentiateAtOnce(original, changed, windows, batch);
            List<Tensor> leaves = leaves(changed);
            List<float[]> want = leaves.stream()
                    .map(leaf -> TorchDevice.toFloats(leaf.grad()))
                    .toList();
            leaves.forEach(leaf -> leaf.mutable_grad().reset());

            Distillation distillation = new Distillation(original, changed, windows, wanted, room, CPU);
            assertThat(distillation.loss(batch, changed, changed.blocks()::get)).isCloseTo(whole, within(1e-6));
            List<Integer> order = new ArrayList<>();
            assertThat(distillation.differentiate(batch, order::add)).isCloseTo(whole, within(1e-6));
            assertThat(order).isEqualTo(blocks);
            for (int i = 0; i < want.size(); i++) {
                expectClose(TorchDevice.toFloats(leaves.get(i).grad()), want.get(i));
            }
        }
    }

    private static List<int[]> windows(int count) {
        List<int[]> windows = new ArrayList<>();
        Random random = new Random(5);
        for (int w = 0; w < count; w++) {
            windows.add(random.ints(TOKENS, 0, 256).toArray());
        }
        return windows;
    }

    /** Every weight of the blocks a little off, as leaves. */
    private static TorchLanguageModel changed(TorchLanguageModel model) {
        Random random = new Random(9);
        for (Tensor leaf : leaves(model)) {
            float[] values = TorchDevice.toFloats(leaf);
            for (int i = 0; i < values.length; i++) {
                values[i] += (float) (0.1 * random.nextGaussian());
            }
            long[] shape = leaf.dim() == 1 ? new long[] {leaf.size(0)} : new long[] {leaf.size(0), leaf.size(1)};
            leaf.copy_(CPU.floats(values, shape));
            leaf.requires_grad_(true);
        }
        return model;
    }

    private static List<Tensor> leaves(TorchLanguageModel model) {
        List<Tensor> leaves = new ArrayList<>(List.of(model.embedding(), model.finalNorm()));
        if (!model.config().tiedEmbeddings()) {
            leaves.add(model.head());
        }
        for (TorchLanguageModel.Block block : model.blocks()) {
            for (Linear linear : Linear.values()) {
                leaves.add(block.weight(linear));
            }
            leaves.addAll(block.block().norms().values());
        }
        return leaves;
    }

    private static double differentiateAtOnce(
            TorchLanguageModel original, TorchLanguageModel changed, List<int[]> windows, List<Integer> batch) {
        Rope rope = Rope.of(original.config(), TOKENS, CPU);
        double loss = 0;
        for (int sample : batch) {
            Tensor ids = CPU.longs(windows.get(sample), 1, TOKENS);
            Tensor p = original.logits(ids, rope).softmax(-1);
            Tensor q = changed.logits(ids, rope).softmax(-1);
            Tensor divergence = p.mul(p.log().sub(q.log())).sum().mul(new Scalar(1.0 / (TOKENS * batch.size())));
            divergence.backward();
            loss += divergence.item_double();
        }
        return loss;
    }

    /** fp32 sums of a few thousand terms in two orders: relative to the largest of a tensor's gradients. */
    private static void expectClose(float[] got, float[] want) {
        float largest = 0;
        for (float value : want) {
            largest = Math.max(largest, Math.abs(value));
        }
        assertThat(largest).isPositive();
        for (int i = 0; i < want.length; i++) {
            assertThat(got[i]).isCloseTo(want[i], within(2e-4f * largest));
        }
    }

    @Test
    void aModelDoesNotDivergeFromItself() throws IOException {
        TinyLlama.write(folder, 4);
        try (Checkpoint checkpoint = Checkpoints.open(folder);
                Activations wanted = Activations.inMemory(new Activations.Size(1, TOKENS, 64));
                TorchScope scope = new TorchScope()) {
            TorchLanguageModel original = TorchLanguageModel.load(checkpoint.weights(), CPU);
            Distillation same =
                    new Distillation(original, original, windows(1), wanted, new Tuner.Room(0, 1, 128), CPU);
            assertThat(same.loss(List.of(0), original, original.blocks()::get)).isCloseTo(0, within(1e-6));
        }
    }
}
