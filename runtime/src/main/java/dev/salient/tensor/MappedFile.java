package dev.salient.tensor;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;

/** Files as read-only memory. */
public final class MappedFile {
    private MappedFile() {}

    /**
     * The whole file; pages are read when they are touched.
     *
     * @param arena closing it unmaps the file
     */
    public static MemorySegment map(Path file, Arena arena) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            return channel.map(MapMode.READ_ONLY, 0, channel.size(), arena).asReadOnly();
        }
    }

    /** Gives the pages of a mapped file back: they are not needed any more, and are read again where they are. */
    public static void letGo(MemorySegment data) {
        if (data.isMapped()) {
            data.unload();
        }
    }
}
