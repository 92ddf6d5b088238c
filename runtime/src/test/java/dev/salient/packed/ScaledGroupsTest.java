package dev.salient.packed;

import static org.assertj.core.api.Assertions.assertThat;

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
}
