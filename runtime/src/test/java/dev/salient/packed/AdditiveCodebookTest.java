package dev.salient.packed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class AdditiveCodebookTest {
    /** Two codebooks of two vectors of two numbers: every value can be added up by hand. */
    @Test
    void valuesAreSumsOfVectorsTimesTheRowsScale() {
        float[] codebooks = {1, 2, /* */ 4, 8, /**/ 16, 32, /* */ 64, 128};
        AdditiveCodebook weight = AdditiveCodebook.of(
                Shape.of(2, 2, 2), new int[] {0, 0, 1, 0, /**/ 0, 1, 1, 1}, codebooks, new float[] {1, -0.5f});
        assertThat(weight.out()).isEqualTo(2);
        assertThat(weight.in()).isEqualTo(4);
        float[] values = new float[5];
        weight.decodeRow(0, values, 1);
        assertThat(values).containsExactly(0, 17, 34, 20, 40);
        weight.decodeRow(1, values, 0);
        assertThat(values).containsExactly(-32.5f, -65, -34, -68, 40);
    }

    @ParameterizedTest
    @CsvSource({"1, 8, 8", "2, 8, 8", "1, 16, 8", "2, 12, 16", "3, 4, 16"})
    void allThatIsStoredIsCounted(int count, int bits, int groupSize) {
        Random random = new Random(1);
        int out = 6;
        int in = 3 * groupSize;
        int entries = 1 << bits;
        int[] codes = random.ints((long) out * 3 * count, 0, entries).toArray();
        AdditiveCodebook weight = AdditiveCodebook.of(
                Shape.of(count, entries, groupSize), codes, new float[count * entries * groupSize], new float[out]);
        assertThat(weight.in()).isEqualTo(in);
        for (int i = 0; i < codes.length; i++) {
            assertThat(weight.code(i / (3 * count), i / count % 3, i % count)).isEqualTo(codes[i]);
        }
        long others = 16L * (count * entries * groupSize + out);
        assertThat(weight.neededBits()).isEqualTo((long) codes.length * bits + others);
        assertThat(weight.storedBytes() * 8).isEqualTo((long) codes.length * (bits <= 8 ? 8 : 16) + others);
    }

    @Test
    void sizesThatDoNotAgreeAreRejected() {
        Tensor codebooks = Tensor.ofFloats(Shape.of(1, 256, 8), new float[2048]);
        Tensor scales = Tensor.ofFloats(Shape.of(3), new float[3]);
        assertThatThrownBy(() -> new AdditiveCodebook(3, 20, bytes(9), codebooks, scales))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("groupSize: 8 does not divide 20 input channels");
        assertThatThrownBy(() -> new AdditiveCodebook(3, 24, bytes(8), codebooks, scales))
                .hasMessage("codes: got 8 bytes, want 9");
        assertThatThrownBy(() -> new AdditiveCodebook(4, 24, bytes(12), codebooks, scales))
                .hasMessage("scales: got shape [3], want [4]");
        Tensor uneven = new Tensor(DType.F16, Shape.of(1, 3, 8), bytes(48));
        assertThatThrownBy(() -> new AdditiveCodebook(3, 24, bytes(9), uneven, scales))
                .hasMessage("codebooks: got 3 entries, want a power of 2 up to 65536");
        assertThatThrownBy(
                        () -> AdditiveCodebook.of(Shape.of(1, 2, 2), new int[] {0, 2}, new float[4], new float[] {1}))
                .hasMessage("code: got 2, want 0 to 1");
    }

    private static MemorySegment bytes(int count) {
        return MemorySegment.ofArray(new byte[count]);
    }
}
