package dev.salient.format.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.MismatchException;
import dev.salient.packed.GroupAffine;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufWriterTest {
    @TempDir
    Path folder;

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    @Test
    void smallFileHasTheseBytes() throws IOException {
        GgufMetadata metadata = new GgufMetadata();
        metadata.put("n", 7);
        metadata.put("f", 0.5f);
        metadata.put("s", "é");
        metadata.putFlag("b", true);
        metadata.putTexts("t", List.of("x"));
        metadata.putInts("i", List.of(-1));
        Path file = folder.resolve("small.gguf");
        GgufPayload vector = GgufPayload.vector("v", new float[] {1});
        GgufPayload matrix =
                GgufPayload.matrix("m", Tensor.ofFloats(Shape.of(2, 1), new float[] {2, 3}), RowOrder.same());
        GgufWriter.write(file, metadata, List.of(vector, matrix), name -> {});
        String want = "47475546" + "03000000" + "0200000000000000" + "0600000000000000"
                + "01000000000000006e" + "04000000" + "07000000"
                + "010000000000000066" + "06000000" + "0000003f"
                + "010000000000000073" + "08000000" + "0200000000000000c3a9"
                + "010000000000000062" + "07000000" + "01"
                + "010000000000000074" + "09000000" + "08000000" + "0100000000000000" + "010000000000000078"
                + "010000000000000069" + "09000000" + "05000000" + "0100000000000000" + "ffffffff"
                + "010000000000000076" + "01000000" + "0100000000000000" + "00000000" + "0000000000000000"
                + "01000000000000006d" + "02000000" + "0100000000000000" + "0200000000000000" + "00000000"
                + "2000000000000000";
        want += "00".repeat((32 - want.length() / 2 % 32) % 32);
        want += "0000803f" + "00".repeat(28) + "0000004000004040" + "00".repeat(24);
        assertThat(hex(Files.readAllBytes(file))).isEqualTo(want);
    }

    /** Codes 0, 1, 2, 3, 0, 1, ... with one scale and zero point. */
    private static GroupAffine twoBit(float scale, int zero) {
        byte[] codes = new byte[16];
        java.util.Arrays.fill(codes, (byte) 0b11100100);
        MemorySegment scales = MemorySegment.ofArray(new byte[2]);
        DType.F16.set(scales, 0, scale);
        return new GroupAffine(
                1, 64, 2, 64, MemorySegment.ofArray(codes), scales, MemorySegment.ofArray(new byte[] {(byte) zero}));
    }

    private static String block(GroupAffine weight) {
        byte[] block = new byte[18];
        RowEncoding encoding = RowEncoding.of("w", weight, GgufType.AS_STORED, TwoBits.KEPT);
        assertThat(encoding.type()).isEqualTo(GgmlType.Q2_0);
        encoding.rows().encode(0, MemorySegment.ofArray(block));
        return hex(block);
    }

    @Test
    void groupOfZeroPointOneIsABlockAsItIs() {
        assertThat(block(twoBit(0.5f, 1))).isEqualTo("0038" + "e4".repeat(16));
    }

    @Test
    void groupOfZeroPointTwoIsABlockOfNegativeScaleAndReversedCodes() {
        assertThat(block(twoBit(0.5f, 2))).isEqualTo("00b8" + "1b".repeat(16));
    }

    @Test
    void groupKeepsItsSignWhereItsCodesWouldFitEitherWay() {
        GroupAffine ones = new GroupAffine(
                1,
                64,
                2,
                64,
                MemorySegment.ofArray(new byte[] {
                    0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55
                }),
                twoBit(0.5f, 2).scales(),
                MemorySegment.ofArray(new byte[] {2}));
        assertThat(block(ones)).isEqualTo("00b8" + "aa".repeat(16));
    }

    @Test
    void everyTensorIsReadBackAndCompared() throws IOException {
        Path file = folder.resolve("damaged.gguf");
        GgufPayload tensor = GgufPayload.vector("v", new float[] {1, 2, 3});
        GgufWriter.write(file, new GgufMetadata(), List.of(tensor), name -> {});
        GgufCheck.check(file, List.of(tensor));
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 32 + 7] ^= 1;
        Files.write(file, bytes);
        assertThatThrownBy(() -> GgufCheck.check(file, List.of(tensor)))
                .isInstanceOf(MismatchException.class)
                .hasMessage("damaged.gguf: v: read back 8.0 at [0, 1], want 2.0");
        GgufPayload other = GgufPayload.vector("v", new float[] {1, 2});
        assertThatThrownBy(() -> GgufCheck.check(file, List.of(other)))
                .isInstanceOf(MismatchException.class)
                .hasMessage(file + ": v: read back F32 [3], want F32 [2]");
    }
}
