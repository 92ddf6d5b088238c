package dev.salient.format.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.FormatException;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImatrixTest {
    private static final ModelConfig CONFIG = new ModelConfig(64, 40, 2, 4, 2, 16, 40, 128, 10000, null, 1e-5, false);
    private static final LinearId DOWN = new LinearId(0, Linear.DOWN);

    @TempDir
    Path folder;

    private Path file(String type, GgufPayload... tensors) throws IOException {
        GgufMetadata metadata = new GgufMetadata();
        metadata.put("general.type", type);
        Path file = folder.resolve("a.gguf");
        GgufWriter.write(file, metadata, List.of(tensors), name -> {});
        return file;
    }

    private static GgufPayload row(String name, float... values) {
        return GgufPayload.matrix(name, Tensor.ofFloats(Shape.of(1, values.length), values), RowOrder.same());
    }

    private static float[] filled(int count, float value) {
        float[] values = new float[count];
        Arrays.fill(values, value);
        return values;
    }

    @Test
    void sumsAndCountsAreWhereLlamaCppWantsThem() throws IOException {
        Path file = folder.resolve("i.gguf");
        new Imatrix(Map.of(DOWN, new float[] {0.5f, 2})).write(file, "c4.txt", 2, 4);
        String want = "47475546" + "03000000" + "0200000000000000" + "0400000000000000"
                + text("general.type") + "08000000" + text("imatrix")
                + text("imatrix.datasets") + "09000000" + "08000000" + "0100000000000000" + text("c4.txt")
                + text("imatrix.chunk_count") + "04000000" + "02000000"
                + text("imatrix.chunk_size") + "04000000" + "04000000"
                + text("blk.0.ffn_down.weight.in_sum2") + "02000000" + "0200000000000000" + "0100000000000000"
                + "00000000" + "0000000000000000"
                + text("blk.0.ffn_down.weight.counts") + "02000000" + "0100000000000000" + "0100000000000000"
                + "00000000" + "2000000000000000";
        want += "00".repeat((32 - want.length() / 2 % 32) % 32);
        want += "00008040" + "00008041" + "00".repeat(24) + "00000041" + "00".repeat(28);
        assertThat(HexFormat.of().formatHex(Files.readAllBytes(file))).isEqualTo(want);
    }

    private static String text(String text) {
        return "%02x00000000000000".formatted(text.length())
                + HexFormat.of().formatHex(text.getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }

    @Test
    void whatIsWrittenIsRead() throws IOException {
        float[] energies = new float[Linear.DOWN.in(CONFIG)];
        for (int i = 0; i < energies.length; i++) {
            energies[i] = i / 3f;
        }
        Path file = folder.resolve("i.gguf");
        new Imatrix(Map.of(DOWN, energies)).write(file, "text", 3, 100);
        Imatrix read = Imatrix.read(file, CONFIG);
        assertThat(read.find(DOWN)).usingComparatorWithPrecision(1e-4f).containsExactly(energies);
        assertThat(read.find(new LinearId(0, Linear.Q))).isNull();
    }

    @Test
    void otherFilesAreRefusedInOneLine() throws IOException {
        int in = Linear.DOWN.in(CONFIG);
        String name = "blk.0.ffn_down.weight";
        expect(
                file("model", row(name, 1)),
                "general.type: got \"model\", want \"imatrix\", as llama-imatrix and"
                        + " salient saliency --imatrix write it");
        expect(file("imatrix", row("blk.0.other", 1)), "got no linear of this model, want its imatrix");
        expect(
                file("imatrix", row(name + ".in_sum2", 1, 2), row(name + ".counts", 1)),
                name + ".in_sum2: got [1, 2] of type F32, want " + in + " numbers in F32");
        expect(
                file("imatrix", row(name + ".in_sum2", filled(in, 1)), row(name + ".counts", 0)),
                name + ".counts: got 0.0, want the number of tokens");
        expect(
                file("imatrix", row(name + ".in_sum2", filled(in, -1)), row(name + ".counts", 1)),
                name + ".in_sum2: got -1.0 at 0, want 0 or more");
        expect(
                file("imatrix", row(name + ".in_sum2", filled(in, Float.NaN)), row(name + ".counts", 1)),
                name + ".in_sum2: got NaN at 0, want 0 or more");
    }

    private static void expect(Path file, String message) {
        assertThatThrownBy(() -> Imatrix.read(file, CONFIG))
                .isInstanceOf(FormatException.class)
                .hasMessage("a.gguf: " + message);
    }

    /** Whatever a file holds, it is read or refused. */
    @Test
    void mutatedFilesAreReadOrRefused() throws IOException {
        Path file = folder.resolve("i.gguf");
        new Imatrix(Map.of(DOWN, filled(Linear.DOWN.in(CONFIG), 1))).write(file, "text", 1, 8);
        byte[] whole = Files.readAllBytes(file);
        Random random = new Random(1);
        List<String> others = new ArrayList<>();
        for (int i = 0; i < 20_000; i++) {
            byte[] bytes = Arrays.copyOf(whole, random.nextInt(10) == 0 ? random.nextInt(whole.length) : whole.length);
            for (int change = random.nextInt(4); change >= 0 && bytes.length > 0; change--) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
            }
            try {
                Imatrix.of(GgufFile.parse("a.gguf", MemorySegment.ofArray(bytes)), CONFIG);
            } catch (FormatException refused) {
                assertThat(refused.getMessage()).startsWith("a.gguf");
            } catch (RuntimeException e) {
                others.add(e.toString());
            }
        }
        assertThat(others).isEmpty();
    }
}
