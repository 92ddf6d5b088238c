package dev.salient.format.safetensors;

import static dev.salient.tensor.Preconditions.require;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Map;

/** Writes safetensors files: under a temporary name first, so that a file that is there is whole. */
public final class SafetensorsWriter {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    /** The data starts at a multiple of this many bytes. */
    private static final int ALIGNMENT = 8;

    private static final int CHUNK_BYTES = 1 << 20;

    private SafetensorsWriter() {}

    /**
     * A tensor that is to be written.
     *
     * @param body writes exactly the bytes of {@code shape} and {@code type}
     */
    public record Payload(StoredType type, Shape shape, Body body) {
        /** The bytes of a tensor. */
        @FunctionalInterface
        public interface Body {
            void writeTo(WritableByteChannel channel) throws IOException;
        }

        /** A tensor whose bytes are in memory. */
        public static Payload of(StoredType type, Shape shape, MemorySegment data) {
            return new Payload(type, shape, channel -> write(channel, data));
        }

        /** This tensor; {@code done} runs when its bytes are written. */
        public Payload then(Runnable done) {
            return new Payload(type, shape, channel -> {
                body.writeTo(channel);
                done.run();
            });
        }

        /** Bytes of its data. */
        public long byteCount() {
            return Math.multiplyExact(shape.elementCount(), type.byteCount());
        }
    }

    /** Writes all of a piece of memory. */
    public static void write(WritableByteChannel channel, MemorySegment data) throws IOException {
        byte[] chunk = new byte[(int) Math.min(CHUNK_BYTES, data.byteSize())];
        for (long at = 0; at < data.byteSize(); at += chunk.length) {
            int length = (int) Math.min(chunk.length, data.byteSize() - at);
            MemorySegment.copy(data, at, MemorySegment.ofArray(chunk), 0, length);
            ByteBuffer buffer = ByteBuffer.wrap(chunk, 0, length);
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
        }
    }

    /**
     * Writes a file and moves it into place.
     *
     * @param metadata the header's own strings
     * @param tensors by name, in the order in which their data is written
     */
    public static void write(Path file, Map<String, String> metadata, Map<String, Payload> tensors) throws IOException {
        Path temporary = file.resolveSibling(file.getFileName() + ".tmp");
        try (FileChannel channel = FileChannel.open(
                temporary, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
            write(channel, MemorySegment.ofArray(header(metadata, tensors)));
            for (Map.Entry<String, Payload> tensor : tensors.entrySet()) {
                long from = channel.position();
                tensor.getValue().body().writeTo(channel);
                long written = channel.position() - from;
                long want = tensor.getValue().byteCount();
                require(written == want, "%s: got %d bytes, want %d", tensor.getKey(), written, want);
            }
            channel.force(true);
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    private static byte[] header(Map<String, String> metadata, Map<String, Payload> tensors) throws IOException {
        ObjectNode header = JsonNodeFactory.instance.objectNode();
        ObjectNode strings = header.putObject("__metadata__");
        metadata.forEach(strings::put);
        long at = 0;
        for (Map.Entry<String, Payload> tensor : tensors.entrySet()) {
            Payload payload = tensor.getValue();
            ObjectNode entry = header.putObject(tensor.getKey());
            entry.put("dtype", payload.type().name());
            payload.shape().dimensions().forEach(entry.withArray("shape")::add);
            entry.putArray("data_offsets").add(at).add(at + payload.byteCount());
            at += payload.byteCount();
        }
        byte[] json = MAPPER.writeValueAsBytes(header);
        int padded = Math.ceilDiv(json.length, ALIGNMENT) * ALIGNMENT;
        ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES + padded).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(padded).put(json);
        bytes.put(" ".repeat(padded - json.length).getBytes(UTF_8));
        return bytes.array();
    }
}
