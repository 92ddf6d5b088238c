package dev.salient.hub;

import dev.salient.format.json.JsonFiles;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The cache folder of {@code huggingface_hub}: {@code models--ORG--NAME} with {@code blobs} (contents, named by their
 * hash), {@code snapshots/COMMIT} (links to them, named as in the model) and {@code refs} (the commits of branches and
 * tags).
 *
 * @param links whether snapshots hold links or the files themselves
 */
public record HubCache(Path root, Links links) {
    private static final long LOCK_MILLIS = 200;

    /** What a snapshot holds. */
    public enum Links {
        /** Symbolic links, where the file system has them. */
        WHERE_POSSIBLE,
        /** The files themselves, as hard links where that is possible. */
        NEVER
    }

    /** The folder that {@code huggingface_hub} uses in this environment. */
    public static HubCache of(Map<String, String> environment, Path home) {
        HubEnvironment variables = new HubEnvironment(environment, home);
        Path root = variables.path("HUGGINGFACE_HUB_CACHE", variables.hubHome().resolve("hub"));
        boolean plain = variables.isTrue("HF_HUB_DISABLE_SYMLINKS");
        return new HubCache(
                variables.path("HF_HUB_CACHE", root).toAbsolutePath(), plain ? Links.NEVER : Links.WHERE_POSSIBLE);
    }

    /** The folder of a model that was fetched; null where it was not. */
    public @Nullable Path find(ModelName name) throws IOException {
        String commit = name.revision();
        if (!RemoteModel.isCommit(commit)) {
            Path ref = ref(name);
            if (!Files.isRegularFile(ref)) {
                return null;
            }
            commit = Files.readString(ref).strip();
        }
        return RemoteModel.isCommit(commit) && Files.isDirectory(snapshot(name, commit))
                ? snapshot(name, commit)
                : null;
    }

    /** The files of a model's folder, with their lengths. */
    static Map<String, Long> files(Path snapshot) throws IOException {
        Map<String, Long> files = new TreeMap<>();
        try (var all = Files.walk(snapshot)) {
            for (Path file : all.filter(Files::isRegularFile).toList()) {
                files.put(snapshot.relativize(file).toString().replace('\\', '/'), Files.size(file));
            }
        }
        return files;
    }

    private Path folder(ModelName name) {
        return root.resolve(String.join("--", "models", name.organization(), name.name()));
    }

    private Path ref(ModelName name) {
        return below(folder(name).resolve("refs"), name.revision());
    }

    Path snapshot(ModelName name, String commit) {
        return folder(name).resolve("snapshots").resolve(commit);
    }

    Path blob(ModelName name, BlobId id) {
        return folder(name).resolve("blobs").resolve(id.hex());
    }

    /** What is there of a blob so far; a name that {@code huggingface_hub} counts as incomplete, and leaves alone. */
    Path part(ModelName name, BlobId id) {
        return folder(name).resolve("blobs").resolve(id.hex() + ".salient.incomplete");
    }

    /** Where a file of a model is, or will be. */
    Path file(ModelName name, String commit, String path) {
        return below(snapshot(name, commit), path);
    }

    private static Path below(Path folder, String path) {
        try {
            Path file = folder.resolve(path).normalize();
            if (file.startsWith(folder.normalize()) && !file.equals(folder.normalize())) {
                return file;
            }
        } catch (InvalidPathException e) {
            // said below
        }
        throw new IllegalArgumentException("%s: got no name that a file can have here".formatted(Plain.text(path)));
    }

    boolean holds(ModelName name, String commit, RemoteFile file) throws IOException {
        return isWhole(file(name, commit, file.path()), file);
    }

    boolean holdsBlob(ModelName name, RemoteFile file) throws IOException {
        return isWhole(blob(name, file.id()), file);
    }

    private static boolean isWhole(Path path, RemoteFile file) throws IOException {
        return Files.isRegularFile(path) && Files.size(path) == file.bytes();
    }

    /** Puts a file whose blob is here into the snapshot. */
    void link(ModelName name, String commit, RemoteFile file) throws IOException {
        if (holds(name, commit, file)) {
            return;
        }
        Path target = file(name, commit, file.path());
        Files.createDirectories(target.resolveSibling(""));
        Path made = target.resolveSibling(target.getFileName() + ".salient.incomplete");
        Files.deleteIfExists(made);
        makeLink(made, blob(name, file.id()));
        Files.move(made, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** A symbolic link, which may move with the cache; else a hard one; else, on a file system without links, a copy. */
    private void makeLink(Path link, Path blob) throws IOException {
        if (links == Links.WHERE_POSSIBLE) {
            try {
                Files.createSymbolicLink(link, link.resolveSibling("").relativize(blob));
                return;
            } catch (IOException | UnsupportedOperationException e) {
                // the next best
            }
        }
        try {
            Files.createLink(link, blob);
        } catch (IOException | UnsupportedOperationException e) {
            Files.copy(blob, link);
        }
    }

    /** Notes which commit a branch or tag is. */
    void writeRef(ModelName name, String commit) throws IOException {
        Path ref = ref(name);
        if (name.revision().equals(commit)
                || (Files.isRegularFile(ref) && Files.readString(ref).equals(commit))) {
            return;
        }
        Files.createDirectories(ref.resolveSibling(""));
        JsonFiles.writeText(ref, commit);
    }

    /** Fails where the disk has less room than this. */
    void requireSpace(ModelName name, long bytes) throws IOException {
        FileStore store = Files.getFileStore(folder(name));
        if (store.getTotalSpace() > 0 && store.getUsableSpace() < bytes) {
            throw HubException.refused(
                    "%s: got %s free, want %s for %s"
                            .formatted(root, Plain.bytes(store.getUsableSpace()), Plain.bytes(bytes), name),
                    "make room, or set HF_HUB_CACHE to a folder on another disk");
        }
    }

    /** Waits until no other pull of this model is at work; closing the channel lets the next one in. */
    FileChannel lock(ModelName name, PullListener listener) throws IOException, InterruptedException {
        Path file = root.resolve(".locks").resolve(folder(name).getFileName()).resolve("salient.lock");
        Files.createDirectories(file.resolveSibling(""));
        Files.createDirectories(folder(name).resolve("blobs"));
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            for (boolean said = false; !isLocked(channel); said = true) {
                if (!said) {
                    listener.onNote("%s: another pull of it is at work; waiting".formatted(name));
                }
                Thread.sleep(LOCK_MILLIS);
            }
            return channel;
        } catch (IOException | InterruptedException e) {
            channel.close();
            throw e;
        }
    }

    private boolean isLocked(FileChannel channel) throws HubException {
        try {
            FileLock lock = channel.tryLock();
            return lock != null;
        } catch (OverlappingFileLockException e) {
            return false; // this very process
        } catch (IOException e) {
            throw HubException.refused(
                    "%s: got no locks on this file system (%s)".formatted(root, e.getMessage()),
                    "set HF_HUB_CACHE to a folder on another disk");
        }
    }
}
