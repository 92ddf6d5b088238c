package dev.salient.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.kernel.Activations;
import dev.salient.kernel.CacheType;
import dev.salient.kernel.Kernels;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.LanguageModel.Piece;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The forward pass against {@link NaiveForward}, which shares no code with it. */
class PackedLanguageModelTest {
    static LongStream seeds() {
        return LongStream.range(0, 8);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void denseModelAgreesWithTheNaiveForwardPass(long seed) {
        Random random = new Random(seed);
        int kvHeads = 1 + (int) seed % 2;
        ModelConfig config = TinyModels.config(kvHeads * (1 + random.nextInt(3)), kvHeads, null);
        assertAgrees(TinyModels.dense(config, random), random.ints(17, 0, 37).toArray());
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void twoBitModelWithAdaptersAgreesWithTheNaiveForwardPass(long seed) {
        Random random = new Random(seed);
        assertAgrees(
                TinyModels.twoBit(TinyModels.config(4, 2, null), random),
                random.ints(17, 0, 37).toArray());
    }

    @Test
    void stretchedRotationAgreesWithTheNaiveForwardPass() {
        Random random = new Random(1);
        ModelConfig config = TinyModels.config(4, 2, new RopeScaling.Llama3(8, 1, 4, 16));
        assertAgrees(TinyModels.dense(config, random), random.ints(40, 0, 37).toArray());
    }

    /** What is likeliest does not depend on how it is summed. */
    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void scalarAndVectorKernelsWriteTheSame200Tokens(long seed) {
        ModelWeights weights = TinyModels.twoBit(TinyModels.config(4, 2, null), new Random(seed));
        assertThat(greedy(new PackedLanguageModel(weights, 2)))
                .isEqualTo(greedy(new PackedLanguageModel(weights, Kernels.scalar(), CacheType.F32)));
    }

    private static List<Integer> greedy(PackedLanguageModel opened) {
        List<Integer> ids = new ArrayList<>(List.of(1));
        try (PackedLanguageModel model = opened;
                KvCache cache = model.newCache(200)) {
            while (ids.size() <= 200) {
                float[] logits = model.forwardLast(new int[] {ids.getLast()}, cache);
                int best = 0;
                for (int i = 1; i < logits.length; i++) {
                    best = logits[i] > logits[best] ? i : best;
                }
                ids.add(best);
            }
        }
        return ids;
    }

    /** Rounding is small where a precision says so, and none at all in full precision. */
    @Test
    void precisionRoundsAsLittleAsItSays() {
        Random random = new Random(2);
        ModelWeights weights = TinyModels.twoBit(TinyModels.config(4, 2, null), random);
        int[] tokens = random.ints(17, 0, 37).toArray();
        double[][] want = new NaiveForward(weights).logits(tokens);
        double half = worst(weights, new Precision(Activations.F32, CacheType.F16, null), tokens, want);
        double bytes = worst(weights, new Precision(Activations.INT8, CacheType.Q8, null), tokens, want);
        assertThat(half).isBetween(1e-6, 0.1); // 11 of 24 bits: a few thousandths of logits of about 10
        assertThat(bytes).isBetween(half, 2.0); // 8 bits: some hundredths of them
    }

    private static double worst(ModelWeights weights, Precision precision, int[] tokens, double[][] want) {
        double worst = 0;
        try (PackedLanguageModel model = new PackedLanguageModel(weights, 2, precision);
                KvCache cache = model.newCache(tokens.length)) {
            for (int t = 0; t < tokens.length; t++) {
                float[] logits = model.forwardLast(new int[] {tokens[t]}, cache);
                for (int i = 0; i < logits.length; i++) {
                    worst = Math.max(worst, Math.abs(logits[i] - want[t][i]));
                }
            }
        }
        return worst;
    }

    private static void assertAgrees(ModelWeights weights, int[] tokens) {
        double[][] want = new NaiveForward(weights).logits(tokens);
        try (PackedLanguageModel model = new PackedLanguageModel(weights, 2)) {
            try (KvCache cache = model.newCache(tokens.length)) {
                model.forward(tokens, cache, (position, logits) -> assertClose(logits, want[position]));
                assertThat(cache.length()).isEqualTo(tokens.length);
            }
            try (KvCache cache = model.newCache(tokens.length)) {
                for (int t = 0; t < tokens.length; t++) {
                    assertClose(model.forwardLast(new int[] {tokens[t]}, cache), want[t]);
                }
            }
        }
    }

    /** Logits here are about 10 in size; fp32 through two blocks keeps six digits of them. */
    private static void assertClose(float[] got, double[] want) {
        for (int i = 0; i < want.length; i++) {
            assertThat((double) got[i]).isCloseTo(want[i], within(2e-4));
        }
    }

    @Test
    void longPromptIsTheSameInOnePieceAndInMany() {
        Random random = new Random(5);
        int[] tokens = random.ints(700, 0, 37).toArray();
        try (PackedLanguageModel model =
                        new PackedLanguageModel(TinyModels.dense(TinyModels.config(4, 2, null), random), 2);
                KvCache whole = model.newCache(700);
                KvCache pieces = model.newCache(701)) {
            float[] want = model.forwardLast(tokens, whole);
            float[] got = {};
            for (int at = 0; at < tokens.length; at += 99) {
                got = model.forwardLast(Arrays.copyOfRange(tokens, at, Math.min(700, at + 99)), pieces);
            }
            for (int i = 0; i < want.length; i++) {
                assertThat(got[i]).isCloseTo(want[i], within(2e-4f));
            }
        }
    }

    @Test
    void logitsArriveInOrderAndForwardLastGivesTheLast() {
        Random random = new Random(6);
        int[] tokens = random.ints(600, 0, 37).toArray();
        List<Integer> positions = new ArrayList<>();
        float[] last = new float[37];
        try (PackedLanguageModel model =
                        new PackedLanguageModel(TinyModels.dense(TinyModels.config(4, 2, null), random), 2);
                KvCache one = model.newCache(600);
                KvCache other = model.newCache(600)) {
            model.forward(tokens, one, (position, logits) -> {
                positions.add(position);
                System.arraycopy(logits, 0, last, 0, 37);
            });
            float[] want = model.forwardLast(tokens, other);
            for (int i = 0; i < 37; i++) {
                assertThat(last[i]).isCloseTo(want[i], within(2e-4f));
            }
        }
        for (int i = 0; i < 600; i++) {
            assertThat(positions.get(i)).isEqualTo(i);
        }
        assertThat(positions).hasSize(600);
    }

    /** New prompts, longer than a chunk too, beside texts under way: each gets what it would get alone. */
    @Test
    void sequencesInOnePassAreEachAsAlone() {
        Random random = new Random(9);
        ModelWeights weights = TinyModels.twoBit(TinyModels.config(4, 2, null), random);
        try (PackedLanguageModel model = new PackedLanguageModel(weights, 2)) {
            int[] steps = {1, 700, 3, 1, 1, 40, 1};
            List<KvCache> together = new ArrayList<>();
            List<KvCache> alone = new ArrayList<>();
            for (int s = 0; s < steps.length; s++) {
                together.add(model.newCache(800));
                alone.add(model.newCache(800));
            }
            for (int turn = 0; turn < 3; turn++) {
                List<Piece> pieces = new ArrayList<>();
                List<float[]> want = new ArrayList<>();
                for (int s = 0; s < steps.length; s++) {
                    int length = turn == 1
                            ? 1
                            : Math.min(steps[s], 790 - together.get(s).length());
                    int[] tokens = random.ints(length, 0, 37).toArray();
                    pieces.add(new Piece(tokens, together.get(s)));
                    want.add(model.forwardLast(tokens, alone.get(s)));
                }
                List<float[]> got = model.forwardLast(pieces);
                for (int s = 0; s < steps.length; s++) {
                    assertThat(together.get(s).length()).isEqualTo(alone.get(s).length());
                    for (int i = 0; i < 37; i++) {
                        assertThat(got.get(s)[i])
                                .as("turn %d, sequence %d", turn, s)
                                .isCloseTo(want.get(s)[i], within(2e-4f));
                    }
                }
            }
        }
    }

    @Test
    void warmingUpChangesNothing() {
        ModelWeights weights = TinyModels.twoBit(TinyModels.config(4, 2, null), new Random(10));
        try (PackedLanguageModel cold = new PackedLanguageModel(weights, 2);
                PackedLanguageModel warm = new PackedLanguageModel(weights, 2);
                KvCache coldCache = cold.newCache(4);
                KvCache warmCache = warm.newCache(4)) {
            warm.warmUp();
            int[] tokens = {3, 1, 2};
            assertThat(warm.forwardLast(tokens, warmCache)).isEqualTo(cold.forwardLast(tokens, coldCache));
        }
    }

    @Test
    void truncatedCacheGoesOnFromTheTokensThatAreLeft() {
        Random random = new Random(7);
        try (PackedLanguageModel model =
                        new PackedLanguageModel(TinyModels.dense(TinyModels.config(4, 2, null), random), 1);
                KvCache cache = model.newCache(10)) {
            float[] want = model.forwardLast(new int[] {1, 2, 3, 4}, cache);
            model.forwardLast(new int[] {9, 9, 9, 9, 9}, cache);
            cache.truncate(3);
            assertThat(cache.length()).isEqualTo(3);
            float[] got = model.forwardLast(new int[] {4}, cache);
            for (int i = 0; i < want.length; i++) {
                assertThat(got[i]).isCloseTo(want[i], within(2e-4f));
            }
        }
    }

    @Test
    void wrongArgumentsAreRefusedWithTheNumbers() {
        ModelWeights weights = TinyModels.dense(TinyModels.config(4, 2, null), new Random(8));
        try (PackedLanguageModel model = new PackedLanguageModel(weights, 1);
                PackedLanguageModel other = new PackedLanguageModel(weights, 1);
                KvCache cache = model.newCache(4);
                KvCache foreign = other.newCache(4)) {
            refuses(() -> model.forwardLast(new int[] {}, cache), "tokens: got none, want at least 1");
            refuses(() -> model.forwardLast(new int[] {1, 37}, cache), "tokens[1]: got id 37, want 0 to 36");
            refuses(() -> model.forwardLast(new int[] {-1}, cache), "tokens[0]: got id -1, want 0 to 36");
            refuses(
                    () -> model.forwardLast(new int[] {1}, foreign),
                    "cache: got one of another model, want one from newCache of this");
            model.forwardLast(new int[] {1, 2, 3}, cache);
            refuses(
                    () -> model.forwardLast(new int[] {4, 5}, cache),
                    "cache: got 2 tokens after 3, want at most 4 in all");
            refuses(() -> cache.truncate(4), "truncate: got 4 tokens, want 0 to 3");
            refuses(() -> model.newCache(0), "cache: got a capacity of 0 tokens, want more than 0");
            assertThat(cache.length()).isEqualTo(3);
            refuses(() -> model.forwardLast(List.of()), "pieces: got none, want at least 1");
            refuses(
                    () -> model.forwardLast(List.of(new Piece(new int[] {1}, cache), new Piece(new int[] {2}, cache))),
                    "pieces: got two with the same cache, want one cache for each");
            cache.close();
            refuses(() -> model.forwardLast(new int[] {1}, cache), "cache: got a closed one, want an open one");
        }
        refuses(() -> new PackedLanguageModel(weights, 0), "threads: got 0, want at least 1");
    }

    private static void refuses(ThrowingCallable call, String message) {
        assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class).hasMessage(message);
    }
}
