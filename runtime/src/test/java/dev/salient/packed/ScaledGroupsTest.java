package dev.salient.packed;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.tensor.DType;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/** Golden bytes of the layouts whose codes lie in an order of their own; the scale is -0.5, B800 in fp16. */
final class ScaledGroupsTest {
    private static float[] decode(GroupFormat format, byte[] bytes) {
        float[] values = new float[format.groupSize()];
        new ScaledGroups(1, values.length, format, MemorySegment.ofArray(bytes)).decodeRow(0, values, 0);
        return values;
    }

    /** One bit each, lowest first, after the scale: 0 is -d and 1 is d. */
    @Test
    void binaryGroups() {
        byte[] bytes = new byte[18];
        bytes[1] = (byte) 0xB8;
        bytes[2] = 0b0000_0101;
        bytes[17] = (byte) 0b1000_0000;
        float[] values = decode(GroupFormat.Q1_0, bytes);
        for (int i = 0; i < 128; i++) {
            assertThat(values[i]).as("value %d", i).isEqualTo(i == 0 || i == 2 || i == 127 ? -0.5f : 0.5f);
        }
    }

    /** Byte j of a half holds weights j, 32 + j, 64 + j and 96 + j, lowest bits first; the scale comes last. */
    @Test
    void ternaryGroups() {
        byte[] bytes = new byte[66];
        java.util.Arrays.fill(bytes, 0, 64, (byte) 0b01_01_01_01); // all zeros
        bytes[65] = (byte) 0xB8;
        bytes[3] = (byte) 0b01_10_01_00; // weight 3 is -1, weight 67 is 1
        bytes[63] = (byte) 0b10_01_01_01; // weight 255 is 1
        float[] values = decode(GroupFormat.TQ2_0, bytes);
        for (int i = 0; i < 256; i++) {
            assertThat(values[i] + 0f).as("value %d", i).isEqualTo(i == 3 ? 0.5f : i == 67 || i == 255 ? -0.5f : 0);
        }
    }

    /** Bytes that follow a formula, against what llama.cpp's own reader in Python (gguf 0.19) makes of them. */
    @Test
    void ternaryGroupsInBase3() {
        byte[] bytes = new byte[54];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (7 * i * i + 13 * i + 5);
        }
        DType.F16.set(MemorySegment.ofArray(bytes).asSlice(52, 2), 0, 0.25f);
        float[] values = decode(GroupFormat.TQ1_0, bytes);
        int[] places = {0, 1, 31, 32, 100, 159, 160, 175, 176, 200, 239, 240, 243, 247, 255};
        float[] want = {-0.25f, -0.25f, 0.25f, -0.25f, 0.25f, 0f, 0f, 0.25f, 0.25f, -0.25f, 0f, 0f, 0.25f, -0.25f, 0.25f
        };
        for (int i = 0; i < places.length; i++) {
            assertThat(values[places[i]]).as("value %d", places[i]).isEqualTo(want[i]);
        }
        double inOrder = 0;
        for (int i = 0; i < 256; i++) {
            inOrder += values[i] * (i % 17 + 1);
        }
        assertThat(inOrder).isEqualTo(29.75);
    }
}
