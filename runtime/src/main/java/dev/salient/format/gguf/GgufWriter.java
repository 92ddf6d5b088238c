package dev.salient.format.gguf;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.salient.format.safetensors.SafetensorsWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.function.Consumer;

/** Writes GGUF files of version 3, row by row. */
final class GgufWriter {
    static final int ALIGNMENT = 32;

    private static final int VERSION = 3;
    private static final int CHUNK_BYTES = 1 << 20;

    private GgufWriter() {}

    /**
     * Writes a whole file; one that is there is replaced.
     *
     * @param tensors in the order in which their data is written
     * @param done hears the name of each tensor that is written
     */
    static void write(Path file, GgufMetadata metadata, List<GgufPayload> tensors, Consumer<String> done)
            throws IOException {
        try (FileChannel channel = FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
            SafetensorsWriter.write(channel, MemorySegment.ofArray(header(metadata, tensors)));
            for (GgufPayload tensor : tensors) {
                pad(channel);
                writeRows(channel, tensor);
                done.accept(tensor.name());
            }
            pad(channel);
            channel.force(true);
        }
    }

    private static byte[] header(GgufMetadata metadata, List<GgufPayload> tensors) {
        ByteArrayOutputStream header = new ByteArrayOutputStream();
        header.writeBytes("GGUF".getBytes(UTF_8));
        header.writeBytes(GgufMetadata.little(Integer.BYTES + 2 * Long.BYTES)
                .putInt(VERSION)
                .putLong(tensors.size())
                .putLong(metadata.size())
                .array());
        metadata.writeTo(header);
        long offset = 0;
        for (GgufPayload tensor : tensors) {
            List<Integer> innermostFirst = tensor.shape().dimensions().reversed();
            GgufMetadata.writeText(header, tensor.name());
            header.writeBytes(GgufMetadata.little(Integer.BYTES)
                    .putInt(innermostFirst.size())
                    .array());
            innermostFirst.forEach(dimension -> header.writeBytes(
                    GgufMetadata.little(Long.BYTES).putLong(dimension).array()));
            header.writeBytes(GgufMetadata.little(Integer.BYTES + Long.BYTES)
                    .putInt(tensor.type().id())
                    .putLong(offset)
                    .array());
            offset = aligned(offset + tensor.byteCount());
        }
        return header.toByteArray();
    }

    private static void writeRows(FileChannel channel, GgufPayload tensor) throws IOException {
        long rowBytes = tensor.rowBytes();
        int most = Math.toIntExact(Math.max(1, CHUNK_BYTES / rowBytes));
        MemorySegment chunk = MemorySegment.ofArray(new byte[Math.toIntExact(most * rowBytes)]);
        for (int first = 0; first < tensor.source().out(); first += most) {
            int count = Math.min(most, tensor.source().out() - first);
            for (int i = 0; i < count; i++) {
                tensor.encode(first + i, chunk.asSlice(i * rowBytes, rowBytes));
            }
            SafetensorsWriter.write(channel, chunk.asSlice(0, count * rowBytes));
        }
    }

    private static void pad(FileChannel channel) throws IOException {
        long at = channel.position();
        SafetensorsWriter.write(channel, MemorySegment.ofArray(new byte[Math.toIntExact(aligned(at) - at)]));
    }

    private static long aligned(long position) {
        return Math.ceilDiv(position, ALIGNMENT) * ALIGNMENT;
    }
}
