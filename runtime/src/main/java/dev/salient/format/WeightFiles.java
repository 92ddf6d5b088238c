package dev.salient.format;

import dev.salient.format.gptq.IntactFile;
import dev.salient.format.gptq.PeftAdapter;
import dev.salient.format.hf.HfFolder;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.tensor.MappedFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/** The files that decide what a model computes: weights and configuration, in a fixed order. */
final class WeightFiles {
    private static final int CHUNK_BYTES = 1 << 24;

    private WeightFiles() {}

    /**
     * The files of a model.
     *
     * @param source a file, or a folder of safetensors
     */
    static List<Path> of(Path source) throws IOException {
        if (!Files.isDirectory(source)) {
            return List.of(source);
        }
        List<Path> files = new ArrayList<>();
        for (String name : List.of(HfFolder.CONFIG, "quantize_config.json")) {
            if (Files.isRegularFile(source.resolve(name))) {
                files.add(source.resolve(name));
            }
        }
        files.addAll(TensorStore.files(source));
        Path adapter = PeftAdapter.findFolder(source);
        if (adapter != null) {
            files.addAll(PeftAdapter.files(adapter));
        }
        if (Files.isRegularFile(IntactFile.in(source))) {
            files.add(IntactFile.in(source));
        }
        return files;
    }

    static long byteCount(Path source) throws IOException {
        long bytes = 0;
        for (Path file : of(source)) {
            bytes += Files.size(file);
        }
        return bytes;
    }

    /** SHA-256 over the length and the content of each file. */
    static String hash(Path source) throws IOException {
        MessageDigest digest = sha256();
        for (Path file : of(source)) {
            try (Arena arena = Arena.ofShared()) {
                MemorySegment content = MappedFile.map(file, arena);
                digest.update((content.byteSize() + "\n").getBytes(StandardCharsets.UTF_8));
                for (long at = 0; at < content.byteSize(); at += CHUNK_BYTES) {
                    digest.update(content.asSlice(at, Math.min(CHUNK_BYTES, content.byteSize() - at))
                            .asByteBuffer());
                }
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }
}
