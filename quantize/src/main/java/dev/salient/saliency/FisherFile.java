package dev.salient.saliency;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.torch.TorchDevice;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.EnumMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/**
 * A cache of saliencies on disk: a folder named by the hash of all that they depend on, one file a block.
 *
 * <p>A block's file holds F of its linears one after another, fp32 little-endian, [out, in] each: a cache of ours, not a
 * format for others.
 *
 * @param folder of this model, text and seed
 */
public record FisherFile(Path folder, ModelConfig config) {
    private static final String DONE = "done";
    private static final ValueLayout.OfFloat LITTLE_ENDIAN_FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(LITTLE_ENDIAN);

    /** Whether all blocks are there. */
    public boolean isFinished() {
        return Files.exists(folder.resolve(DONE));
    }

    /** Writes one block's sums, under a temporary name first. */
    void write(int block, Map<Linear, float[]> sums) throws IOException {
        Path part = folder.resolve(name(block) + ".part");
        try (FileChannel channel = FileChannel.open(
                part,
                java.nio.file.StandardOpenOption.CREATE,
                java.nio.file.StandardOpenOption.TRUNCATE_EXISTING,
                java.nio.file.StandardOpenOption.WRITE)) {
            for (Linear linear : Linear.values()) {
                float[] values = java.util.Objects.requireNonNull(sums.get(linear));
                ByteBuffer bytes =
                        ByteBuffer.allocate(values.length * Float.BYTES).order(LITTLE_ENDIAN);
                bytes.asFloatBuffer().put(values);
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
            }
        }
        Files.move(part, folder.resolve(name(block)), StandardCopyOption.ATOMIC_MOVE);
    }

    /** Marks the cache complete. */
    void finish() throws IOException {
        Files.writeString(folder.resolve(DONE), "");
    }

    /** F of each linear of a block, [out, in]. */
    public Map<Linear, Tensor> read(int block, TorchDevice device) throws IOException {
        Map<Linear, Tensor> saliency = new EnumMap<>(Linear.class);
        try (Arena arena = Arena.ofConfined();
                FileChannel channel = FileChannel.open(folder.resolve(name(block)))) {
            MemorySegment data = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            long at = 0;
            for (Linear linear : Linear.values()) {
                long bytes = (long) linear.out(config) * linear.in(config) * Float.BYTES;
                if (at + bytes > data.byteSize()) {
                    throw new IOException("%s: got %d bytes, want more; delete this cache folder"
                            .formatted(folder.resolve(name(block)), data.byteSize()));
                }
                saliency.put(linear, device.floats(data.asSlice(at, bytes), linear.out(config), linear.in(config)));
                at += bytes;
            }
        }
        return saliency;
    }

    /** F of one linear of a block, [out, in], without libtorch. */
    public float[] values(int block, Linear linear) throws IOException {
        long at = 0;
        for (Linear before : Linear.values()) {
            if (before == linear) {
                break;
            }
            at += (long) before.out(config) * before.in(config) * Float.BYTES;
        }
        float[] values = new float[Math.multiplyExact(linear.out(config), linear.in(config))];
        try (Arena arena = Arena.ofConfined();
                FileChannel channel = FileChannel.open(folder.resolve(name(block)))) {
            MemorySegment data =
                    channel.map(FileChannel.MapMode.READ_ONLY, at, (long) values.length * Float.BYTES, arena);
            MemorySegment.copy(data, LITTLE_ENDIAN_FLOAT, 0, values, 0, values.length);
        }
        return values;
    }

    private static String name(int block) {
        return "block-%03d.f32".formatted(block);
    }
}
