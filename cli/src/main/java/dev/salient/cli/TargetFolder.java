package dev.salient.cli;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A folder that a model is written to. */
final class TargetFolder {
    /** What would be read together with, or instead of, what is written. */
    private static final List<String> MODEL_FILES = List.of(
            "config.json",
            "quantize_config.json",
            "model.safetensors.index.json",
            "adapter_config.json",
            "adapter/adapter_config.json",
            "adapter/adapter_model.safetensors");

    private TargetFolder() {}

    /** Refuses the model's own folder, a file, and without {@code force} a folder with something in it. */
    static void check(Path folder, Path model, boolean force) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        Path own = Files.isDirectory(model) ? model : model.toAbsolutePath().getParent();
        if (own != null && Files.exists(own) && Files.isSameFile(folder, own)) {
            throw new IllegalArgumentException("--out: got the folder of the model itself, want another");
        }
        if (!Files.isDirectory(folder) || (!force && !isEmpty(folder))) {
            throw new FileAlreadyExistsException(folder.toString());
        }
    }

    private static boolean isEmpty(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return files.findAny().isEmpty();
        }
    }

    /** Makes the folder; takes the files of a model out of it, and leaves others. */
    static void clear(Path folder) throws IOException {
        Files.createDirectories(folder);
        for (String name : MODEL_FILES) {
            Files.deleteIfExists(folder.resolve(name));
        }
        List<Path> weights;
        try (var files = Files.list(folder)) {
            weights = files.filter(file -> file.toString().endsWith(".safetensors"))
                    .toList();
        }
        for (Path file : weights) {
            Files.delete(file);
        }
    }

    /** Bytes of all files in it and below. */
    static long bytes(Path folder) throws IOException {
        long bytes = 0;
        try (var files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                bytes += Files.size(file);
            }
        }
        return bytes;
    }
}
