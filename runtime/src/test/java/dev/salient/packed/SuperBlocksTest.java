package dev.salient.packed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Blocks whose bytes follow a formula, against what llama.cpp's own reader in Python (gguf 0.17) makes of them; all exact in fp32. */
final class SuperBlocksTest {
    private static final int[] PLACES = {0, 1, 17, 45, 100, 170, 255, 256, 300, 511};

    static Stream<Arguments> layouts() {
        return Stream.of(
                Arguments.of(
                        SuperFormat.Q2_K,
                        new int[] {80, 82},
                        new double[] {1.25, 1.25, 2.0625, 7.6875, 10.5, -0.75, 4.875, -3.375, -4.125, -16.5},
                        -637.75,
                        -5839.125),
                Arguments.of(
                        SuperFormat.Q3_K,
                        new int[] {108},
                        new double[] {-2.75, -2.75, -1.75, -6.75, -4.25, -9, 2.5, -34.5, 0, -6},
                        -665.75,
                        -6911.5),
                Arguments.of(
                        SuperFormat.Q4_K,
                        new int[] {0, 2},
                        new double[] {
                            42.8125, 83.8125, 83.8125, 83.5625, 117.1875, 8.5, 58.875, -119.625, -191.125, -85.125
                        },
                        -13316,
                        -117080.125),
                Arguments.of(
                        SuperFormat.Q5_K,
                        new int[] {0, 2},
                        new double[] {
                            206.8125, 247.8125, 247.8125, 163.0625, 254.6875, 39, 223.375, -251.625, -37.125, -61.875
                        },
                        -1180,
                        -15538.125),
                Arguments.of(
                        SuperFormat.Q6_K,
                        new int[] {208},
                        new double[] {162.25, 103.25, -155.75, -36.25, -105, -21.75, -293.75, -429, -434, -16},
                        -6702,
                        7354.5),
                Arguments.of(
                        SuperFormat.IQ4_NL,
                        new int[] {0},
                        new double[] {9.5, 9.5, -5.5, -6.5, 52, -56.5, 11, 9.5, 17.5, -44.5},
                        -183,
                        1801),
                Arguments.of(
                        SuperFormat.IQ4_XS,
                        new int[] {0},
                        new double[] {431.25, -650, 237.5, -87.5, 442, 38, 81.25, 297.5, -1612, 565},
                        -6452.5,
                        -68350.75));
    }

    private static SuperBlocks blocks(SuperFormat format, int[] halves) {
        int count = 512 / format.blockSize();
        byte[] bytes = new byte[count * format.byteCount()];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (7 * i * i + 13 * i + 5 + i / 256 * 3);
        }
        MemorySegment data = MemorySegment.ofArray(bytes);
        for (int b = 0; b < count; b++) {
            for (int h = 0; h < halves.length; h++) {
                float value = (b % 2 == 1 ? -0.5f : 0.25f) * (h == 0 ? 1 : 0.75f);
                DType.F16.set(data.asSlice((long) b * format.byteCount() + halves[h], 2), 0, value);
            }
        }
        return new SuperBlocks(1, 512, format, data);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("layouts")
    void valuesAreThoseOfLlamaCpp(SuperFormat format, int[] halves, double[] want, double sum, double weighed) {
        float[] values = new float[512];
        blocks(format, halves).decodeRow(0, values, 0);
        for (int i = 0; i < PLACES.length; i++) {
            assertThat((double) values[PLACES[i]]).as("value %d", PLACES[i]).isEqualTo(want[i]);
        }
        double all = 0;
        double inOrder = 0;
        for (int i = 0; i < values.length; i++) {
            all += values[i];
            inOrder += values[i] * (i % 17 + 1);
        }
        assertThat(all).isEqualTo(sum);
        assertThat(inOrder).isEqualTo(weighed);
    }

    @Test
    void rowsAreWholeBlocks() {
        assertThatThrownBy(() -> new SuperBlocks(1, 576, SuperFormat.Q4_K, MemorySegment.ofArray(new byte[324])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("Q4_K: 576 input channels are no multiple of 256");
        assertThatThrownBy(() -> new SuperBlocks(1, 256, SuperFormat.Q4_K, MemorySegment.ofArray(new byte[143])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("Q4_K [1, 256]: got 143 bytes, want 144");
    }
}
