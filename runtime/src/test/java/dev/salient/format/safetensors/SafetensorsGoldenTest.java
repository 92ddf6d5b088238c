package dev.salient.format.safetensors;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsGoldenTest {
    @TempDir
    Path temporary;

    @Test
    void fileIsTheseBytes() throws IOException {
        Map<String, Payload> tensors = new LinkedHashMap<>();
        tensors.put("b", Payload.of(StoredType.F32, Shape.of(1, 2), MemorySegment.ofArray(new float[] {1, -2})));
        tensors.put("a", Payload.of(StoredType.U8, Shape.of(3), MemorySegment.ofArray(new byte[] {65, 66, 67})));
        Path file = temporary.resolve("x.safetensors");
        SafetensorsWriter.write(file, Map.of("format", "pt"), tensors);
        String header = "{\"__metadata__\":{\"format\":\"pt\"},"
                + "\"b\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                + "\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]}}    ";
        assertThat(new String(Files.readAllBytes(file), ISO_8859_1))
                .isEqualTo("\u0090\0\0\0\0\0\0\0" + header + "\0\0\u0080?\0\0\0\u00c0" + "ABC");
        assertThat(temporary.resolve("x.safetensors.tmp")).doesNotExist();
    }

    @Test
    void randomTensorsOfEveryTypeComeBackByteByByte() throws IOException {
        Random random = new Random(3);
        for (int round = 0; round < 20; round++) {
            Map<String, Payload> tensors = new LinkedHashMap<>();
            Map<String, byte[]> contents = new LinkedHashMap<>();
            for (StoredType type : StoredType.values()) {
                Shape shape = Shape.of(random.nextInt(4), random.nextInt(1, 5));
                byte[] content = new byte[(int) shape.elementCount() * type.byteCount()];
                random.nextBytes(content);
                contents.put(type + "\u00e9\"", content);
                tensors.put(type + "\u00e9\"", Payload.of(type, shape, MemorySegment.ofArray(content)));
            }
            Path file = temporary.resolve("x.safetensors");
            SafetensorsWriter.write(file, Map.of(), tensors);
            try (Arena arena = Arena.ofShared()) {
                SafetensorsFile read = SafetensorsFile.open(file, arena);
                assertThat(read.tensors().keySet()).containsExactlyInAnyOrderElementsOf(contents.keySet());
                contents.forEach((name, content) -> {
                    StoredTensor tensor =
                            java.util.Objects.requireNonNull(read.tensors().get(name));
                    assertThat(tensor.data().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(content);
                    assertThat(tensor.shape())
                            .isEqualTo(java.util.Objects.requireNonNull(tensors.get(name))
                                    .shape());
                });
            }
        }
    }
}
