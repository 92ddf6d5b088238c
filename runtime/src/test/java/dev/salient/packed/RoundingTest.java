package dev.salient.packed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class RoundingTest {
    @ParameterizedTest
    @EnumSource(names = {"Q8_0", "Q4_0"})
    void valuesAreWithinHalfAStep(GroupFormat format) {
        Random random = new Random(3);
        float[] values = new float[5 * 96];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        Arrays.fill(values, 32, 64, 0); // a group without a scale
        ScaledGroups rounded = Rounding.of(Dense.ofFloats(5, 96, values), format);
        float[] row = new float[96];
        for (int r = 0; r < 5; r++) {
            rounded.decodeRow(r, row, 0);
            for (int i = 0; i < 96; i++) {
                int group = r * 96 + i / 32 * 32;
                double largest = 0;
                for (int j = group; j < group + 32; j++) {
                    largest = Math.max(largest, Math.abs(values[j]));
                }
                // half a step, and up to a whole one where Q4_0's largest level of the other sign is missing
                double limit = format == GroupFormat.Q8_0 ? largest / 127 / 2 : largest / 8;
                // the scale is an fp16 number
                assertThat((double) row[i]).isCloseTo(values[r * 96 + i], within(limit + largest * 0x1p-11));
            }
        }
    }

    @Test
    void rowsThatAreNoWholeGroupsAreRefused() {
        Dense odd = Dense.ofFloats(1, 40, new float[40]);
        assertThat(Rounding.fits(GroupFormat.Q8_0, odd)).isFalse();
        assertThatThrownBy(() -> Rounding.of(odd, GroupFormat.Q8_0))
                .hasMessage("Q8_0: 40 input channels are no multiple of 32");
        assertThatThrownBy(() -> Rounding.row(GroupFormat.Q2_0, new float[64], new byte[18], 0))
                .hasMessage("rounding: got Q2_0, want Q8_0 or Q4_0");
    }
}
