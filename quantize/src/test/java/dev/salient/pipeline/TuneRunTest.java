package dev.salient.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.method.Method.Start;
import dev.salient.method.Preservation;
import dev.salient.method.TokenWeighting;
import dev.salient.method.Tuning;
import dev.salient.model.BlockWeights;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.Norm;
import dev.salient.model.PackedLanguageModel;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.SuperBlocks;
import dev.salient.pipeline.Runs.Silent;
import dev.salient.pipeline.Runs.Stopped;
import dev.salient.pipeline.Runs.Stopping;
import dev.salient.torch.TorchDevice.Precision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Whole runs on a model of two blocks, rounded to 2 bits with adapters, one linear to 8. */
class TuneRunTest {
    private static final int TOKENS = 24;

    @TempDir
    Path folder;

    @BeforeEach
    void quantize() throws IOException {
        Runs.writeModelAndText(folder);
        quantize(
                "rounded",
                new Method.ErrorAdapter(new Grid.Signed2(64), Start.SQUARED_ERROR, 2, 1, false),
                Map.of(new LinearId(1, Linear.UP), new Grid.Signed(8, 64)));
    }

    private void quantize(String out, Method method, Map<LinearId, Grid> kept) throws IOException {
        QuantizationRun.run(
                new RunSettings(
                        folder.resolve("model"),
                        folder.resolve(out),
                        method,
                        kept,
                        null,
                        0,
                        Target.NONE,
                        calibration(),
                        machine(),
                        1,
                        false),
                new Silent());
    }

    private RunSettings.Calibration calibration() {
        return new RunSettings.Calibration(List.of(folder.resolve("text.txt")), 12, TOKENS, 1);
    }

    private RunSettings.Machine machine() {
        return new RunSettings.Machine("cpu", Precision.HIGHEST, 1, 4L << 30, folder.resolve("cache"));
    }

    private TuneRun.Settings settings(String out, Tuning.Moves moves, boolean resume) {
        return settings("rounded", out, moves, machine(), resume);
    }

    private TuneRun.Settings settings(
            String quantized, String out, Tuning.Moves moves, RunSettings.Machine machine, boolean resume) {
        double rate = moves == Tuning.Moves.STOCHASTIC ? 0.002 : 0.5; // by chance no share holds codes back
        Tuning tuning = new Tuning(
                moves, 4, 3, 3e-3, 1e-2, 1e-3, 1e-2, 0, new Tuning.CodeSteps(rate, 0.01, 0.2, 0.5), Tuning.Pull.NONE);
        return new TuneRun.Settings(
                folder.resolve(quantized),
                folder.resolve("model"),
                folder.resolve(out),
                tuning,
                calibration(),
                machine,
                5,
                resume);
    }

    private TuneRun.Settings tuning(String quantized, String out, Tuning tuning, boolean resume) {
        return new TuneRun.Settings(
                folder.resolve(quantized),
                folder.resolve("model"),
                folder.resolve(out),
                tuning,
                calibration(),
                machine(),
                5,
                resume);
    }

    @ParameterizedTest
    @EnumSource
    void theFolderThatIsWrittenDivergesAsLittleAsTheRunSays(Tuning.Moves moves) throws IOException {
        TuneRun.Outcome outcome = TuneRun.run(settings("tuned", moves, false), new Silent());
        assertThat(outcome.curve()).hasSize(17); // 16 steps, each looked at
        double before = outcome.curve().getFirst().heldOut();
        double after = outcome.best().heldOut();
        assertThat(after).isLessThan(before);
        // fp32 in two orders
        assertThat(divergence("rounded")).isCloseTo(before, within(1e-5));
        assertThat(divergence("tuned")).isCloseTo(after, within(1e-5));
    }

    @ParameterizedTest
    @EnumSource
    void codebooksAreTunedToo(Tuning.Moves moves) throws IOException {
        quantize("books", new Method.Aqlm(new Grid.Codebooks(2, 5, 8), 1, TokenWeighting.RELATIVE, 0, 0), Map.of());
        Tuning slow = new Tuning(
                moves, 4, 3, 1e-3, 3e-3, 0, 3e-3, 0, new Tuning.CodeSteps(0.02, 0.05, 0.2, 0), Tuning.Pull.NONE);
        TuneRun.Outcome outcome = TuneRun.run(books("whole", slow, false), new Silent());
        double before = outcome.curve().getFirst().heldOut();
        double after = outcome.best().heldOut();
        // codes that move in so small a model, of random weights, may find nothing better
        assertThat(after).isLessThanOrEqualTo(before);
        assertThat(moves != Tuning.Moves.SCALES || after < before).isTrue();
        assertThat(divergence("books")).isCloseTo(before, within(1e-5));
        assertThat(divergence("whole")).isCloseTo(after, within(1e-5));
        assertThatThrownBy(() -> TuneRun.run(books("stopped", slow, false), new Stopping("tune", 7)))
                .isInstanceOf(Stopped.class);
        TuneRun.run(books("stopped", slow, true), new Silent());
        assertThat(Runs.files(folder.resolve("stopped"))).isEqualTo(Runs.files(folder.resolve("whole")));
    }

    /** GGUF's blocks are trained, written and tuned on their own grid; codes that move one by one are not for it. */
    @Test
    void blocksAreTunedThroughWeightsBelowThem() throws IOException {
        TinyLlama.write(folder.resolve("model"), 7, Grid.Q2K.BLOCK);
        quantize(
                "blocks",
                new Method.Rtn(new Grid.Q2K(), Start.SQUARED_ERROR),
                Map.of(new LinearId(1, Linear.UP), new Grid.Signed(8, 64)));
        TuneRun.Outcome outcome = TuneRun.run(blocks("tuned", Tuning.Moves.WEIGHTS, false), new Silent());
        double before = outcome.curve().getFirst().heldOut();
        double after = outcome.best().heldOut();
        assertThat(after).isLessThan(before);
        // running, scales of blocks are rounded to fp16, by 2^-12 of them: so much of logits' size of 1
        assertThat(divergence("tuned")).isCloseTo(after, within(0x1p-12));
        try (Checkpoint tuned = Checkpoints.open(folder.resolve("tuned"))) {
            assertThat(tuned.weights().blocks().getFirst().linear(Linear.Q)).isInstanceOf(SuperBlocks.class);
        }
        assertThatThrownBy(() -> TuneRun.run(blocks("stopped", Tuning.Moves.WEIGHTS, false), new Stopping("tune", 7)))
                .isInstanceOf(Stopped.class);
        TuneRun.run(blocks("stopped", Tuning.Moves.WEIGHTS, true), new Silent());
        assertThat(Runs.files(folder.resolve("stopped"))).isEqualTo(Runs.files(folder.resolve("tuned")));
    }

    private TuneRun.Settings blocks(String out, Tuning.Moves moves, boolean resume) {
        Tuning tuning = new Tuning(
                moves, 4, 3, 3e-4, 1e-3, 0, 1e-3, 0, new Tuning.CodeSteps(0.5, 0.01, 0.2, 0.5), Tuning.Pull.NONE);
        return tuning("blocks", out, tuning, resume);
    }

    /** The saliency term alone, so large that nothing else counts, brings the weights nearer to the original's. */
    @ParameterizedTest
    @EnumSource(names = {"FISHER", "UNIFORM"})
    void theSaliencyTermPullsTowardsTheOriginal(Preservation.Saliency saliency) throws IOException {
        double before = distance("rounded");
        TuneRun.run(pulled("pulled", saliency, 1e6, false), new Silent());
        TuneRun.run(pulled("free", saliency, 0, false), new Silent());
        // its divergence is looked at, not its distance, so that a look that was no better is not what is written
        assertThat(distance("pulled")).isLessThanOrEqualTo(before).isLessThan(distance("free"));
        assertThatThrownBy(() -> TuneRun.run(pulled("stopped", saliency, 1e6, false), new Stopping("tune", 7)))
                .isInstanceOf(Stopped.class);
        TuneRun.run(pulled("stopped", saliency, 1e6, true), new Silent());
        assertThat(Runs.files(folder.resolve("stopped"))).isEqualTo(Runs.files(folder.resolve("pulled")));
    }

    /** What is looked at in a run is what its folder holds; a folder tuned again keeps its own embeddings. */
    @Test
    void embeddingsMoveWhereTheyHaveARate() throws IOException {
        TuneRun.Outcome outcome = TuneRun.run(ends("rounded", "ends", 1e-2, false), new Silent());
        double after = outcome.best().heldOut();
        assertThat(after).isLessThan(outcome.curve().getFirst().heldOut());
        assertThat(divergence("ends")).isCloseTo(after, within(1e-5));
        assertThat(embedding("ends")).isNotEqualTo(embedding("rounded"));
        assertThatThrownBy(() -> TuneRun.run(ends("rounded", "stopped", 1e-2, false), new Stopping("tune", 7)))
                .isInstanceOf(Stopped.class);
        TuneRun.run(ends("rounded", "stopped", 1e-2, true), new Silent());
        assertThat(Runs.files(folder.resolve("stopped"))).isEqualTo(Runs.files(folder.resolve("ends")));

        TuneRun.Outcome again = TuneRun.run(ends("ends", "again", 0, false), new Silent());
        assertThat(again.curve().getFirst().heldOut()).isCloseTo(after, within(1e-5));
        assertThat(embedding("again")).isEqualTo(embedding("ends"));
    }

    private float[] embedding(String name) throws IOException {
        try (Checkpoint checkpoint = Checkpoints.open(folder.resolve(name))) {
            PackedWeight embedding = checkpoint.weights().embedding();
            float[] row = new float[embedding.in()];
            embedding.decodeRow(7, row, 0);
            return row;
        }
    }

    private TuneRun.Settings ends(String from, String out, double rate, boolean resume) {
        Tuning.CodeSteps none = new Tuning.CodeSteps(0, 1, 1, 1);
        Tuning tuning = new Tuning(Tuning.Moves.SCALES, 4, 3, 0, 1e-3, 0, 1e-3, rate, none, Tuning.Pull.NONE);
        return tuning(from, out, tuning, resume);
    }

    private TuneRun.Settings pulled(String out, Preservation.Saliency saliency, double lambda, boolean resume) {
        Tuning.Pull pull = new Tuning.Pull(lambda, saliency);
        Tuning tuning = new Tuning(
                Tuning.Moves.WEIGHTS, 4, 3, 3e-3, 0, 0, 0, 0, new Tuning.CodeSteps(0.5, 0.01, 0.2, 0.5), pull);
        return tuning("rounded", out, tuning, resume);
    }

    /** Squared, from the original's weights, over all linears. */
    private double distance(String name) throws IOException {
        double sum = 0;
        try (Checkpoint original = Checkpoints.open(folder.resolve("model"));
                Checkpoint other = Checkpoints.open(folder.resolve(name))) {
            for (int block = 0; block < original.weights().blocks().size(); block++) {
                for (Linear linear : Linear.values()) {
                    PackedWeight want = original.weights().blocks().get(block).linear(linear);
                    PackedWeight got = other.weights().blocks().get(block).linear(linear);
                    float[] a = new float[want.in()];
                    float[] b = new float[want.in()];
                    for (int row = 0; row < want.out(); row++) {
                        want.decodeRow(row, a, 0);
                        got.decodeRow(row, b, 0);
                        for (int i = 0; i < a.length; i++) {
                            sum += (double) (a[i] - b[i]) * (a[i] - b[i]);
                        }
                    }
                }
            }
        }
        return sum;
    }

    private TuneRun.Settings books(String out, Tuning tuning, boolean resume) {
        return tuning("books", out, tuning, resume);
    }

    /** By the packed runtime, on the windows that a run holds out: the last 75 of the text's 1500 tokens. */
    private double divergence(String name) throws IOException {
        byte[] text = Files.readAllBytes(folder.resolve("text.txt"));
        double sum = 0;
        try (Checkpoint original = Checkpoints.open(folder.resolve("model"));
                Checkpoint quantized = Checkpoints.open(folder.resolve(name));
                PackedLanguageModel large = new PackedLanguageModel(original.weights(), 1);
                PackedLanguageModel small = new PackedLanguageModel(quantized.weights(), 1);
                KvCache largeCache = large.newCache(TOKENS);
                KvCache smallCache = small.newCache(TOKENS)) {
            for (int w = 0; w < 3; w++) {
                int[] ids = new int[TOKENS];
                for (int t = 0; t < TOKENS; t++) {
                    ids[t] = original.expectTokenizer().encode(String.valueOf((char) text[1425 + w * TOKENS + t]))[0];
                }
                largeCache.truncate(0);
                smallCache.truncate(0);
                float[][] want = new float[TOKENS][];
                large.forward(ids, largeCache, (position, row) -> want[position] = row.clone());
                double[] own = new double[1];
                small.forward(ids, smallCache, (position, row) -> own[0] += divergence(want[position], row));
                sum += own[0];
            }
        }
        return sum / (3 * TOKENS);
    }

    private static double divergence(float[] want, float[] got) {
        double divergence = 0;
        for (int v = 0; v < want.length; v++) {
            double p = Math.exp(want[v] - logSum(want));
            divergence += p * (want[v] - logSum(want) - got[v] + logSum(got));
        }
        return divergence;
    }

    private static double logSum(float[] logits) {
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit);
        }
        return Math.log(sum);
    }

    @ParameterizedTest
    @EnumSource
    void gridsStayAndOnlyWeightsMoveCodes(Tuning.Moves moves) throws IOException {
        TuneRun.run(settings("tuned", moves, false), new Silent());
        int changed = 0;
        try (Checkpoint before = Checkpoints.open(folder.resolve("rounded"));
                Checkpoint after = Checkpoints.open(folder.resolve("tuned"))) {
            for (int b = 0; b < 2; b++) {
                BlockWeights was = before.weights().blocks().get(b);
                BlockWeights is = after.weights().blocks().get(b);
                assertThat(is.norm(Norm.ATTENTION).toFloats())
                        .isNotEqualTo(was.norm(Norm.ATTENTION).toFloats());
                for (Linear linear : Linear.values()) {
                    GroupAffine old = base(was.linear(linear));
                    GroupAffine young = base(is.linear(linear));
                    assertThat(young.bits()).isEqualTo(old.bits());
                    assertThat(young.groupSize()).isEqualTo(old.groupSize());
                    for (int row = 0; row < old.out(); row++) {
                        for (int i = 0; i < old.in(); i++) {
                            changed += old.code(row, i) == young.code(row, i) ? 0 : 1;
                        }
                    }
                }
            }
        }
        if (moves == Tuning.Moves.SCALES) {
            assertThat(changed).isZero();
        } else {
            assertThat(changed).isPositive();
        }
        assertThat(folder.resolve("tuned/salient-run.json"))
                .content()
                .contains("\"tunings\"", "\"moves\"", "\"loftq\"");
    }

    private static GroupAffine base(PackedWeight weight) {
        return (GroupAffine) (weight instanceof LowRank adapted ? adapted.base() : weight);
    }

    @ParameterizedTest(name = "{0} stopped after {1} steps")
    @CsvSource({"WEIGHTS,0", "WEIGHTS,1", "WEIGHTS,7", "WEIGHTS,16", "PV,7", "CODES,3", "SCALES,9"})
    void resumedRunEqualsUninterruptedRun(Tuning.Moves moves, int steps) throws IOException {
        TuneRun.run(settings("whole", moves, false), new Silent());
        assertThatThrownBy(() -> TuneRun.run(settings("stopped", moves, false), new Stopping("tune", steps)))
                .isInstanceOf(Stopped.class);
        TuneRun.run(settings("stopped", moves, true), new Silent());
        assertThat(Runs.files(folder.resolve("stopped"))).isEqualTo(Runs.files(folder.resolve("whole")));
    }

    @Test
    void aTunedModelCanBeTunedAgainAndSaysSo() throws IOException {
        TuneRun.run(settings("tuned", Tuning.Moves.WEIGHTS, false), new Silent());
        TuneRun.Settings second = settings("tuned", "again", Tuning.Moves.SCALES, machine(), false);
        TuneRun.run(second, new Silent());
        assertThat(folder.resolve("again/salient-run.json")).content().contains("\"WEIGHTS\"", "\"SCALES\"");
    }

    @Test
    void aModelWithoutGroupsIsRefused() {
        TuneRun.Settings dense = settings("model", "tuned", Tuning.Moves.SCALES, machine(), false);
        assertThatThrownBy(() -> TuneRun.run(dense, new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "tuning: got a model without linears in groups, want one that quantize wrote; Q2_K takes --method weights alone");
        assertThat(folder.resolve("tuned")).doesNotExist();
    }

    @Test
    void tooLittleMemoryIsSaidBeforeAnythingIsLoaded() {
        RunSettings.Machine small =
                new RunSettings.Machine("cpu", Precision.HIGHEST, 1, 100L << 20, folder.resolve("cache"));
        TuneRun.Settings tight = settings("rounded", "tuned", Tuning.Moves.WEIGHTS, small, false);
        assertThatThrownBy(() -> TuneRun.run(tight, new Silent()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageMatching("--memory: got 100 MB, want 6\\d\\d MB to tune this model: give more, or take fewer"
                        + " --tokens or smaller batches");
    }
}
