package dev.salient.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.LanguageModel.Piece;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Intact keys and values in the forward pass, against {@link NaiveForward}, which puts them in place of the model's own. */
class IntactKvTest {
    private final Random random = new Random(3);
    private final ModelConfig config = TinyModels.config(4, 2, null);
    private final ModelWeights own = TinyModels.twoBit(config, random);
    private final IntactKv intact = TinyModels.intact(config, random, 5, 6, 7);
    private final ModelWeights weights = own.withIntact(intact);

    private int[] text(int length, int... first) {
        int[] rest = random.ints(length - first.length, 8, 37).toArray();
        return IntStream.concat(IntStream.of(first), IntStream.of(rest)).toArray();
    }

    private static void assertClose(float[] got, double[] want) {
        for (int i = 0; i < want.length; i++) {
            assertThat((double) got[i]).isCloseTo(want[i], within(2e-4));
        }
    }

    /** A text that begins so, ends within them, or leaves them after one or two tokens; in pieces of any size. */
    @ParameterizedTest(name = "{0} tokens at once")
    @ValueSource(ints = {1, 2, 5, 600})
    void textsUseThemAsFarAsTheyAgree(int piece) {
        List<int[]> texts = List.of(
                text(20, 5, 6, 7),
                text(20, 5, 6),
                text(20, 5),
                text(20),
                text(20, 6, 7),
                new int[] {5, 6},
                text(520, 5, 6, 7));
        try (PackedLanguageModel model = new PackedLanguageModel(weights, 2)) {
            for (int[] text : texts) {
                double[][] want = new NaiveForward(weights).logits(text);
                try (KvCache cache = model.newCache(text.length)) {
                    for (int at = 0; at < text.length; at += piece) {
                        int end = Math.min(text.length, at + piece);
                        model.forward(
                                Arrays.copyOfRange(text, at, end),
                                cache,
                                (position, logits) -> assertClose(logits, want[position]));
                    }
                }
            }
        }
    }

    @Test
    void theyMakeADifferenceWhereATextBeginsSoAndNoneElsewhere() {
        int[] begun = text(9, 5, 6, 7);
        int[] other = text(9, 6, 7);
        assertThat(new NaiveForward(weights).logits(begun)[8]).isNotEqualTo(new NaiveForward(own).logits(begun)[8]);
        assertThat(new NaiveForward(weights).logits(other)[8]).isEqualTo(new NaiveForward(own).logits(other)[8]);
    }

    /** What a cache knows of its text's start goes with the tokens that are forgotten. */
    @Test
    void truncatedTextIsJudgedByWhatIsLeftOfIt() {
        try (PackedLanguageModel model = new PackedLanguageModel(weights, 1);
                KvCache cache = model.newCache(30)) {
            model.forwardLast(text(10, 5, 6, 7), cache);
            for (int kept : new int[] {3, 2, 1, 0}) {
                cache.truncate(kept);
                int[] rest = text(6);
                int[] whole = IntStream.concat(IntStream.of(5, 6, 7).limit(kept), IntStream.of(rest))
                        .toArray();
                assertClose(model.forwardLast(rest, cache), new NaiveForward(weights).logits(whole)[whole.length - 1]);
            }
            cache.truncate(0);
            int[] again = text(6, 5, 6, 7);
            model.forwardLast(text(4), cache);
            cache.truncate(0);
            assertClose(model.forwardLast(again, cache), new NaiveForward(weights).logits(again)[5]);
        }
    }

    @Test
    void sequencesInOnePassAreEachJudgedByTheirOwnStart() {
        List<int[]> texts = List.of(text(4, 5, 6, 7), text(5), text(3, 5), text(700, 5, 6, 7), text(2, 5, 6));
        try (PackedLanguageModel model = new PackedLanguageModel(weights, 2)) {
            List<Piece> pieces = new ArrayList<>();
            texts.forEach(text -> pieces.add(new Piece(text, model.newCache(700))));
            List<float[]> got = model.forwardLast(pieces);
            for (int s = 0; s < texts.size(); s++) {
                int last = texts.get(s).length - 1;
                assertClose(got.get(s), new NaiveForward(weights).logits(texts.get(s))[last]);
            }
        }
    }

    @Test
    void wrongOnesAreRefusedWithWhatIsWanted() {
        Tensor right = TinyModels.intact(config, random, 5, 6).keys();
        Tensor wide = Tensor.ofFloats(Shape.of(2), new float[2]);
        assertThatThrownBy(() -> new IntactKv(List.of(), right, right))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("intact keys and values: got no tokens, want at least 1");
        assertThatThrownBy(() -> new IntactKv(List.of(5), right, right))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("intact keys and values: got [2, 2, 32] and [2, 2, 32], want both [blocks, 1, channels]");
        assertThatThrownBy(() -> new IntactKv(List.of(5), wide, wide))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("intact keys and values: got F32 and F32, want F16");
        assertThatThrownBy(() -> own.withIntact(new IntactKv(List.of(5, 37), right, right)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("intact keys: got token 37, want 0 to 36");
        Tensor narrow = new Tensor(DType.F16, Shape.of(2, 2, 16), right.data().asSlice(0, 128));
        assertThatThrownBy(() -> own.withIntact(new IntactKv(List.of(5, 6), narrow, narrow)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("intact keys: got [2, 2, 16], want [2, 2, 32]");
        assertThat(intact.bits()).isEqualTo(2 * 2 * 3 * 32 * 16);
    }
}
