package dev.salient.measure;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.jspecify.annotations.Nullable;

/**
 * Finished windows in a folder, one file each, moved into place when whole: a cache of ours, not a format for others.
 *
 * @param folder named by a hash of all that the scores depend on
 */
public record WindowFiles(Path folder) implements WindowStore {
    @Override
    public @Nullable WindowScores find(int index, Windows windows) throws IOException {
        try {
            return WindowScores.findIn(ByteBuffer.wrap(Files.readAllBytes(file(index))), windows.window(index));
        } catch (NoSuchFileException e) {
            return null;
        }
    }

    @Override
    public void keep(int index, WindowScores scores) throws IOException {
        Files.createDirectories(folder);
        Path part = Files.createTempFile(folder, "window", ".part");
        Files.write(part, scores.toBytes().array());
        Files.move(part, file(index), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Takes all of it away, when the measurement is done. */
    public void delete() throws IOException {
        if (Files.isDirectory(folder)) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
                for (Path file : files) {
                    Files.deleteIfExists(file);
                }
            }
            Files.deleteIfExists(folder);
        }
    }

    private Path file(int index) {
        return folder.resolve("window-%06d".formatted(index));
    }
}
