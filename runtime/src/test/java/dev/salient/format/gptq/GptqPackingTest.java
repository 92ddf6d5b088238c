package dev.salient.format.gptq;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.gptq.RandomModel.Grid;
import dev.salient.packed.GroupAffine;
import dev.salient.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GptqPackingTest {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** The code of channel i of output o, as the format's definition has it: bit i * bits of the column's words. */
    private static int codeIn(MemorySegment words, int columns, int o, int i, int bits) {
        int code = 0;
        for (int b = 0; b < bits; b++) {
            int bit = i * bits + b;
            int word = words.get(INT, ((long) (bit / 32) * columns + o) * 4);
            code |= ((word >>> (bit % 32)) & 1) << b;
        }
        return code;
    }

    @ParameterizedTest(name = "{0} bits, groups of {1}")
    @CsvSource({"2,32", "2,4", "3,32", "3,96", "4,16", "8,96"})
    void packedNumbersAreTheValuesByTheDefinitionOfTheFormat(int bits, int groupSize) {
        GroupAffine weight = new RandomModel(bits).affine(64, 96, Grid.any(bits, groupSize));
        float[] row = new float[96];
        try (Arena arena = Arena.ofConfined()) {
            GptqPacking packing = GptqPacking.pack(weight, null, arena);
            for (int o = 0; o < 64; o++) {
                weight.decodeRow(o, row, 0);
                for (int i = 0; i < 96; i++) {
                    int g = i / groupSize;
                    int zero = 0;
                    for (int b = 0; b < bits; b++) {
                        int bit = o * bits + b;
                        int word = packing.zeros().get(INT, ((long) g * (64 * bits / 32) + bit / 32) * 4);
                        zero |= ((word >>> (bit % 32)) & 1) << b;
                    }
                    float scale = DType.F16.get(packing.scales(), (long) g * 64 + o);
                    float value = scale * (codeIn(packing.codes(), 64, o, i, bits) - zero);
                    assertThat(scale).isNotNegative();
                    assertThat(value == row[i]).as("[%d, %d]", o, i).isTrue();
                }
            }
            GroupAffine back = packing.unpack(new GptqPacking.Sizes(64, 96, bits, groupSize), null, arena);
            GptqPacking again = GptqPacking.pack(back, null, arena);
            assertThat(again.codes().mismatch(packing.codes())).isEqualTo(-1);
            assertThat(again.zeros().mismatch(packing.zeros())).isEqualTo(-1);
            assertThat(again.scales().mismatch(packing.scales())).isEqualTo(-1);
        }
    }

    /** As GPTQModel 7.7 writes zero points in the format's first version: whole words less 1 in every field, in 3 bits field by field. */
    @ParameterizedTest
    @CsvSource({
        "2, 0x00000000, 0xAAAAAAAB", // sixteen zeros: each borrows from the next
        "2, 0x99999990, 0x4444443B", // 0 0 1 2 1 2 ...
        "4, 0x88888808, 0x777776F7", // 8 0 8 8 ...
        "8, 0x80800080, 0x7F7EFF7F", // 128 0 128 128
    })
    void zeroPointsLess1BorrowFromEachOther(int bits, String zeros, String stored) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment word = arena.allocate(4);
            word.set(INT, 0, Integer.parseUnsignedInt(stored.substring(2), 16));
            assertThat(GptqPacking.raised(word, bits, arena).get(INT, 0))
                    .isEqualTo(Integer.parseUnsignedInt(zeros.substring(2), 16));
        }
    }

    @Test
    void zeroPointsOf3BitsAreRaisedOneByOne() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stored = arena.allocate(12);
            for (int i = 0; i < 32; i++) {
                GptqPacking.addBits(stored, 3L * i, (i + 7) % 8); // 7 0 1 2 ... for the zero points 0 1 2 3 ...
            }
            MemorySegment raised = GptqPacking.raised(stored, 3, arena);
            for (int i = 0; i < 32; i++) {
                assertThat(GptqPacking.bitsAt(raised, 3L * i, 3)).isEqualTo(i % 8);
            }
        }
    }

    @Test
    void oneGroupOfEachSignIsTheseWords() {
        // 16 outputs of 16 channels in 2 bits: codes 0 1 2 3 0 1 2 3 ..., scale 1 for even outputs, -1 for odd ones
        MemorySegment codes = MemorySegment.ofArray(new byte[64]).fill((byte) 0b11100100);
        MemorySegment scales = MemorySegment.ofArray(new byte[32]);
        MemorySegment zeros = MemorySegment.ofArray(new byte[16]).fill((byte) 1);
        for (int o = 0; o < 16; o++) {
            DType.F16.set(scales, o, o % 2 == 0 ? 1 : -1);
        }
        GroupAffine weight = new GroupAffine(16, 16, 2, 16, codes, scales, zeros);
        try (Arena arena = Arena.ofConfined()) {
            GptqPacking packing = GptqPacking.pack(weight, null, arena);
            assertThat(packing.codes().byteSize()).isEqualTo(64);
            assertThat(packing.codes().get(INT, 0)).isEqualTo(0xE4E4E4E4);
            assertThat(packing.codes().get(INT, 4)).isEqualTo(0x1B1B1B1B);
            // zero points 1 2 1 2 ..., lowest first
            assertThat(packing.zeros().get(INT, 0)).isEqualTo(0x99999999);
            assertThat(packing.scales().toArray(JAVA_BYTE)).startsWith(0x00, 0x3C, 0x00, 0x3C);
        }
    }

    @Test
    void rowsThatDoNotFillWordsAreRefused() {
        GroupAffine weight = new RandomModel(1).affine(4, 8, Grid.any(2, 8));
        try (Arena arena = Arena.ofConfined()) {
            assertThatThrownBy(() -> GptqPacking.pack(weight, null, arena))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("GPTQ: got [4, 8] in 2 bits, want rows and columns that fill whole 32-bit words");
        }
    }
}
