package dev.salient.format.awq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.FormatException;
import dev.salient.format.safetensors.StoredType;
import dev.salient.model.Linear;
import dev.salient.packed.GroupAffine;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AwqFolderTest {
    private static final String Q = "model.layers.0.self_attn.q_proj.";

    @TempDir
    Path temporary;

    private AwqFolder folder;

    @BeforeEach
    void makeFolder() throws IOException {
        folder = new AwqFolder(temporary.resolve("awq"), 7);
    }

    /** In AutoAWQ's words the lowest nibble is channel 0, then 2, 4, 6, 1, 3, 5 and 7. */
    @Test
    void wordsHoldEightOutputChannelsInterleaved() throws IOException {
        int[] codes = new int[16 * 2];
        codes[0] = 0x7654_3210; // input channel 0, output channels 0 to 7
        codes[1] = 0xFEDC_BA98;
        codes[2 * 5 + 1] = 0x0000_000A; // input channel 5, output channel 8
        int[] zeros = {0x0000_0010, 0, 0, 0}; // group 0, output channel 2
        folder.put(Q + "qweight", codes, 16, 2);
        folder.put(Q + "qzeros", zeros, 2, 2);
        float[] scales = new float[2 * 16];
        java.util.Arrays.fill(scales, 1);
        scales[1] = 0.5f;
        folder.putHalves(Q + "scales", scales, 2, 16);
        try (Checkpoint read = Checkpoints.open(folder.write())) {
            GroupAffine q = (GroupAffine) read.weights().blocks().getFirst().linear(Linear.Q);
            float[][] rows = new float[16][16];
            for (int o = 0; o < 16; o++) {
                q.decodeRow(o, rows[o], 0);
            }
            assertThat(new float[] {
                        rows[0][0], rows[1][0], rows[2][0], rows[3][0], rows[4][0], rows[5][0], rows[6][0], rows[7][0]
                    })
                    .containsExactly(0, 4 * 0.5f, 1 - 1, 5, 2, 6, 3, 7);
            assertThat(new float[] {rows[8][0], rows[9][0], rows[10][0], rows[15][0]})
                    .containsExactly(8, 12, 9, 15);
            assertThat(rows[8][5]).isEqualTo(10);
            assertThat(rows[2][7]).isEqualTo(-1);
            assertThat(rows[2][8]).isEqualTo(0);
        }
    }

    @Test
    void randomFolderIsReadValueByValue() throws IOException {
        try (Checkpoint read = Checkpoints.open(folder.write())) {
            for (Linear linear : Linear.values()) {
                GroupAffine weight =
                        (GroupAffine) read.weights().blocks().getFirst().linear(linear);
                float[] row = new float[weight.in()];
                for (int o = 0; o < weight.out(); o++) {
                    weight.decodeRow(o, row, 0);
                    assertThat(row).as("%s row %d", linear, o).isEqualTo(folder.row(linear, o));
                }
            }
        }
    }

    private void assertRefused(String message) throws IOException {
        folder.write();
        assertThatThrownBy(() -> Checkpoints.open(folder.path))
                .isInstanceOf(FormatException.class)
                .hasMessage(message);
    }

    @Test
    void otherBits() throws IOException {
        folder.config = folder.config.replace("\"bits\": 4", "\"bits\": 8");
        assertRefused("config.json: quantization_config: bits: got 8, want 4");
    }

    @Test
    void otherVersion() throws IOException {
        folder.config = folder.config.replace("\"gemm\"", "\"gemv\"");
        assertRefused("config.json: quantization_config: version: got \"gemv\", want \"gemm\"");
    }

    @Test
    void withoutZeroPointsTheyAreInTheMiddle() throws IOException {
        folder.put(Q + "qweight", new int[16 * 2], 16, 2); // codes 0
        float[] scales = new float[2 * 16];
        java.util.Arrays.fill(scales, 0.5f);
        folder.putHalves(Q + "scales", scales, 2, 16);
        folder.makeSymmetric();
        try (Checkpoint read = Checkpoints.open(folder.write())) {
            float[] row = new float[16];
            read.weights().blocks().getFirst().linear(Linear.Q).decodeRow(3, row, 0);
            assertThat(row).containsOnly(-4);
        }
    }

    @Test
    void groupSizeThatIsNone() throws IOException {
        folder.config = folder.config.replace("\"group_size\": 8", "\"group_size\": 0");
        assertRefused("config.json: quantization_config: group_size: got 0, want -1 or more than 0");
    }

    @Test
    void groupsThatDoNotDivide() throws IOException {
        folder.config = folder.config.replace("\"group_size\": 8", "\"group_size\": 12");
        assertRefused("model.safetensors: " + Q + "qweight: got groups of 12,"
                + " want groups that divide, and multiples of 8 in [16, 16]");
    }

    @Test
    void zeroPointsOfAnotherShape() throws IOException {
        folder.put(Q + "qzeros", new int[2], 1, 2);
        assertRefused("model.safetensors: " + Q + "qzeros: got [1, 2], want [2, 2]");
    }

    @Test
    void codesOfTheWrongType() throws IOException {
        folder.put(Q + "qweight", StoredType.F32, new byte[16 * 2 * 4], 16, 2);
        assertRefused("model.safetensors: " + Q + "qweight: got dtype F32, want I32");
    }

    @Test
    void scaleThatIsNoNumber() throws IOException {
        float[] scales = new float[32];
        scales[3] = Float.POSITIVE_INFINITY;
        folder.putHalves(Q + "scales", scales, 2, 16);
        assertRefused("model.safetensors: " + Q + "scales: got Infinity at 3, want a finite number");
    }

    @Test
    void plainLinearsStayPlain() throws IOException {
        for (String part : new String[] {"qweight", "qzeros", "scales"}) {
            folder.tensors.remove(Q + part);
        }
        folder.putHalves(Q + "weight", new float[256], 16, 16);
        try (Checkpoint read = Checkpoints.open(folder.write())) {
            assertThat(read.weights().blocks().getFirst().linear(Linear.Q).bitsPerWeight())
                    .isEqualTo(16);
        }
    }
}
