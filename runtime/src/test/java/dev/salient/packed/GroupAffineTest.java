package dev.salient.packed;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.packed.GroupAffine.Levels;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GroupAffineTest {
    /** A row of 16, groups of 8: a scale of 16 bits each, codes of a bit, of 1.6, of 2. */
    @ParameterizedTest
    @CsvSource({
        "0222 0022 2020 0000, 1, SIGNS, 48",
        "0222 0022 2020 0001, 1, TERNARY, 58",
        "0222 0022 2020 0003, 1, ALL, 64",
        "0222 0022 2020 0000, 2, ALL, 64",
    })
    void levelsAreThoseThatOccurAndOnlyTheyAreCounted(String digits, int zero, Levels levels, long bits) {
        String codes = digits.replace(" ", "");
        byte[] packed = new byte[4];
        for (int i = 0; i < 16; i++) {
            packed[i / 4] |= (byte) ((codes.charAt(i) - '0') << (2 * (i % 4)));
        }
        byte[] zeros = {(byte) zero, (byte) zero};
        GroupAffine weight = new GroupAffine(
                1,
                16,
                2,
                8,
                MemorySegment.ofArray(packed),
                MemorySegment.ofArray(new byte[4]),
                MemorySegment.ofArray(zeros));
        assertThat(weight.levels()).isEqualTo(levels);
        assertThat(weight.neededBits()).isEqualTo(bits);
    }
}
