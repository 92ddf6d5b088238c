package dev.salient.calibration;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.torch.TorchDevice;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The hidden states of all calibration samples at one place in the model, fp32, [samples, tokens, hidden].
 *
 * <p>They live in memory, or in a file that is mapped into it where the run's memory limit asks for that.
 */
public final class Activations implements AutoCloseable {
    private final int samples;
    private final int tokens;
    private final int hidden;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment data;

    private Activations(Size size, @Nullable Path file) throws IOException {
        this.samples = size.samples;
        this.tokens = size.tokens;
        this.hidden = size.hidden;
        this.data = file == null ? arena.allocate(size.bytes(), 64) : map(file, size.bytes());
    }

    /** How many states of how many channels. */
    public record Size(int samples, int tokens, int hidden) {
        public Size {
            require(samples > 0, "samples: got %d, want 1 or more", samples);
            require(tokens > 1, "tokens: got %d, want 2 or more", tokens);
        }

        /** Bytes that they take. */
        public long bytes() {
            return Math.multiplyExact((long) samples * tokens * hidden, Float.BYTES);
        }
    }

    /** States in memory. */
    public static Activations inMemory(Size size) {
        try {
            return new Activations(size, null);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /** States in a file of their own, deleted when the program ends or a later run reuses its name. */
    public static Activations inFile(Size size, Path file) throws IOException {
        return new Activations(size, file);
    }

    private MemorySegment map(Path file, long bytes) throws IOException {
        Files.deleteIfExists(file);
        try (FileChannel channel = FileChannel.open(
                file, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            MemorySegment mapped = channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
            Files.delete(file); // the mapping keeps it alive; nothing is left behind by a killed run
            return mapped;
        }
    }

    public int samples() {
        return samples;
    }

    public int tokens() {
        return tokens;
    }

    /** A copy of one sample on the device, [1, tokens, hidden]. */
    public Tensor get(int sample, TorchDevice device) {
        return device.floats(slice(sample), 1, tokens, hidden);
    }

    /** Overwrites one sample with [1, tokens, hidden]. */
    public void set(int sample, Tensor states) {
        try (Tensor cpu = states.detach().cpu().contiguous()) {
            slice(sample).copyFrom(TorchDevice.memory(cpu));
        }
    }

    /** Overwrites all samples with those of another place. */
    public void setAll(Activations from) {
        data.copyFrom(from.data);
    }

    private MemorySegment slice(int sample) {
        long bytes = (long) tokens * hidden * Float.BYTES;
        return data.asSlice(sample * bytes, bytes);
    }

    @Override
    public void close() {
        arena.close();
    }
}
