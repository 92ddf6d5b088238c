package dev.salient.packed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScaleMixtureTest {
    private static Tensor filled(float value, int rows, int columns) {
        float[] values = new float[rows * columns];
        java.util.Arrays.fill(values, value);
        return Tensor.ofFloats(Shape.of(rows, columns), values);
    }

    private static ScaleMixture mixture(byte... signs) {
        Tensor columns = Tensor.ofFloats(Shape.of(2, 32), columns());
        Tensor rows = Tensor.ofFloats(Shape.of(2, 2), new float[] {1, 2, 3, 6});
        return new ScaleMixture(2, 32, MemorySegment.ofArray(signs), filled(0, 2, 32), columns, rows);
    }

    /** 0, 1, .. 31 of the first expert, 2, 3, .. 33 of the second. */
    private static float[] columns() {
        float[] columns = new float[64];
        for (int i = 0; i < 64; i++) {
            columns[i] = i < 32 ? i : i - 30;
        }
        return columns;
    }

    @Test
    void signsAreBitsLowestFirst() {
        ScaleMixture weight =
                mixture((byte) 0b101, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 0x80, (byte) 0, (byte) 0);
        assertThat(new int[] {weight.sign(0, 0), weight.sign(0, 1), weight.sign(0, 2), weight.sign(0, 3)})
                .containsExactly(1, -1, 1, -1);
        assertThat(weight.sign(1, 15)).isEqualTo(1);
        assertThat(weight.sign(1, 14)).isEqualTo(-1);
    }

    @Test
    void evenRouterMultipliesTheMeansOfTheScales() {
        ScaleMixture weight = mixture((byte) 2, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 0);
        PackedWeight even = ScaleMixture.even(weight);
        float[] row = new float[32];
        even.decodeRow(0, row, 0);
        assertThat(row[0]).isEqualTo(-1 * 2f); // the means are 2 (rows) and i + 1 (columns)
        assertThat(row[1]).isEqualTo(2 * 2f);
        assertThat(row[31]).isEqualTo(-32 * 2f);
        even.decodeRow(1, row, 0);
        assertThat(row[31]).isEqualTo(-32 * 4f);
        LowRank sum = new LowRank(weight, filled(1, 1, 32), filled(3, 2, 1), 2);
        ScaleMixture.even(sum).decodeRow(0, row, 0);
        assertThat(row[1]).isEqualTo(4 + 6f);
        Dense dense = Dense.ofFloats(1, 1, new float[1]);
        assertThat(ScaleMixture.even(dense)).isSameAs(dense);
    }

    /** A bit a weight, and router and scales as they are stored. */
    @Test
    void everyBitIsCounted() {
        assertThat(mixture(new byte[8]).neededBits()).isEqualTo(64 + 32 * (2 * 32 + 2 * 32 + 2 * 2));
    }

    @Test
    void thereAreNoValuesToDecode() {
        assertThatThrownBy(() -> mixture(new byte[8]).decodeRow(0, new float[32], 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("weight: got scales that follow the token (binary-mos), want one with values of its own");
        assertThatThrownBy(() -> new LowRank(
                        mixture(new byte[8]),
                        filled(1, 1, 32),
                        filled(3, 2, 1),
                        1,
                        Tensor.ofFloats(Shape.of(2), new float[2])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("adapter magnitude: got a weight whose scales follow the token, want LoRA: its rows have no"
                        + " one length");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "40 | 10 | 2 | 40 | 2 | in: got 40 input channels, want a multiple of 32",
                "32 | 7 | 2 | 32 | 2 | signs: got 7 bytes, want 8",
                "32 | 8 | 2 | 31 | 2 | router: got [2, 31], want [experts, 32]",
                "32 | 8 | 3 | 32 | 2 | in scales: got [2, 32], want [3, 32]",
                "32 | 8 | 2 | 32 | 3 | out scales: got [2, 3], want [2, 2]",
            })
    void partsThatDoNotFitAreRefused(int in, int bytes, int experts, int channels, int out, String message) {
        assertThatThrownBy(() -> new ScaleMixture(
                        2,
                        in,
                        MemorySegment.ofArray(new byte[bytes]),
                        filled(0, experts, channels),
                        filled(0, 2, 32),
                        filled(0, 2, out)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }
}
