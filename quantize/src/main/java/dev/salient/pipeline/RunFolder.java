package dev.salient.pipeline;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.quantizer.QuantizedBlock.Epoch;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A run on disk: its settings, what its finished blocks came to, and the lock that keeps a second run out.
 *
 * <p>While it goes on they are in {@code .salient/} of the model's folder; in the end they become {@code salient-run.json},
 * which holds nothing that differs between an uninterrupted and a resumed run. Times are in {@code salient-run.log}.
 */
final class RunFolder implements AutoCloseable {
    static final String MANIFEST = "salient-run.json";
    private static final String WORK = ".salient";
    private static final String SETTINGS = "settings.json";
    private static final String LOG = "salient-run.log";
    private static final String OWN_WINDOWS = "own-windows.json";
    private static final ObjectMapper JSON = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

    private final Path folder;
    private final Path work;
    private final FileChannel channel;
    private final FileLock lock;

    private RunFolder(Path folder, FileChannel channel, FileLock lock) {
        this.folder = folder;
        this.work = folder.resolve(WORK);
        this.channel = channel;
        this.lock = lock;
    }

    /**
     * Takes hold of a folder for a run.
     *
     * @throws IllegalArgumentException where another run holds it, or it holds something else
     */
    static RunFolder open(Path folder, boolean resume) throws IOException {
        requireUsable(folder);
        Path work = folder.resolve(WORK);
        boolean started = Files.isDirectory(work);
        Files.createDirectories(work);
        FileChannel channel =
                FileChannel.open(work.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock lock = tryLock(channel);
        if (lock == null) {
            channel.close();
            throw new IllegalArgumentException(
                    "%s: another run is writing it: wait for that, or choose another --out".formatted(folder));
        }
        if (started && !resume && Files.exists(work.resolve(SETTINGS))) {
            channel.close();
            throw new IllegalArgumentException(
                    "%s: got a run that was not finished: --resume goes on with it, or delete the folder"
                            .formatted(folder));
        }
        return new RunFolder(folder, channel, lock);
    }

    /**
     * Refuses a folder that no run can write.
     *
     * @throws IllegalArgumentException where a run has finished it, or it holds something else
     */
    static void requireUsable(Path folder) throws IOException {
        if (isUnfinished(folder)) {
            return;
        }
        if (Files.exists(folder.resolve(MANIFEST))) {
            throw new IllegalArgumentException(
                    "%s: got a folder that a run has finished, want a new one: choose another --out".formatted(folder));
        }
        if (Files.exists(folder) && !isEmpty(folder)) {
            throw new IllegalArgumentException(
                    "%s: got a folder that holds other files, want a new or empty one: choose another --out"
                            .formatted(folder));
        }
    }

    /** Whether a run has begun there and is not done. */
    static boolean isUnfinished(Path folder) {
        return Files.isDirectory(folder.resolve(WORK));
    }

    /** Takes away a folder in which the first of two parts left nothing. */
    static void deleteIfEmpty(Path folder) throws IOException {
        Path work = folder.resolve(WORK);
        if (isUnfinished(folder) && isEmpty(work)) {
            Files.delete(work);
            if (isEmpty(folder)) {
                Files.delete(folder);
            }
        }
    }

    /** Whether a run has begun there by itself: not only the first of two parts. */
    static boolean isBegun(Path folder) {
        return Files.exists(folder.resolve(WORK).resolve(SETTINGS));
    }

    /** The settings by which the model at {@link #start} was made. */
    static Path firstPart(Path folder) {
        return folder.resolve(WORK).resolve("first-part.txt");
    }

    /** Where the quantized model lies that a run of two parts goes on to tune. */
    static Path start(Path folder) {
        return folder.resolve(WORK).resolve("start");
    }

    private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) {
            return null;
        }
    }

    private boolean holdsOnlyWork() throws IOException {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
            for (Path file : files) {
                if (!file.equals(work)) {
                    return false;
                }
            }
            return true;
        }
    }

    private static boolean isEmpty(Path folder) throws IOException {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
            return !files.iterator().hasNext();
        }
    }

    /**
     * Stores the settings of a new run, or compares them with those of the run that is resumed.
     *
     * @throws IllegalArgumentException naming the first field that differs
     */
    void settle(ObjectNode settings) throws IOException {
        Path file = work.resolve(SETTINGS);
        if (!Files.exists(file)) {
            write(file, settings);
            return;
        }
        String difference = difference("", JSON.readTree(Files.readString(file)), settings);
        if (difference != null) {
            throw new IllegalArgumentException(
                    "%s: cannot resume: %s; ask for the same, or choose another --out".formatted(folder, difference));
        }
    }

    private static @Nullable String difference(String place, JsonNode was, JsonNode is) {
        if (was.isObject() && is.isObject()) {
            Iterator<Map.Entry<String, JsonNode>> fields = is.properties().iterator();
            while (fields.hasNext()) {
                Map.Entry<String, JsonNode> field = fields.next();
                String inner = place.isEmpty() ? field.getKey() : place + "." + field.getKey();
                String found = difference(inner, was.path(field.getKey()), field.getValue());
                if (found != null) {
                    return found;
                }
            }
            return was.size() == is.size() ? null : "%s: the settings were others".formatted(place);
        }
        if (was.isArray() && is.isArray() && was.size() == is.size()) {
            for (int i = 0; i < is.size(); i++) {
                String found = difference(place + "." + i, was.path(i), is.path(i));
                if (found != null) {
                    return found;
                }
            }
            return null;
        }
        return was.toString().equals(is.toString()) ? null : "%s: got %s, want %s as before".formatted(place, is, was);
    }

    /** The calibration windows that the model wrote in an earlier part of this run, or null. */
    @Nullable
    List<int[]> findOwnWindows() throws IOException {
        Path file = work.resolve(OWN_WINDOWS);
        return Files.exists(file) ? JSON.readValue(file.toFile(), new TypeReference<List<int[]>>() {}) : null;
    }

    /** Keeps what the model wrote: a second time it might write something else. */
    void writeOwnWindows(List<int[]> windows) throws IOException {
        write(work.resolve(OWN_WINDOWS), JSON.valueToTree(windows));
    }

    /** Whether the curve of this block is stored. */
    boolean hasCurve(int block) {
        return Files.exists(curveFile(block));
    }

    /** Stores how a block's losses went; to be called before its weights are written. */
    void writeCurve(int block, List<Epoch> curve) throws IOException {
        ArrayNode epochs = JSON.createArrayNode();
        for (Epoch epoch : curve) {
            ObjectNode own = epochs.addObject()
                    .put("stage", epoch.stage())
                    .put("epoch", epoch.epoch())
                    .put("outputLoss", epoch.outputLoss())
                    .put("preservation", epoch.preservation());
            if (epoch.heldOut() > 0) {
                own.put("heldOut", epoch.heldOut());
            }
        }
        write(curveFile(block), epochs);
    }

    /** A line of the log, with its time. */
    void log(String line) throws IOException {
        Files.writeString(
                folder.resolve(LOG),
                "%s %s%n".formatted(java.time.Instant.now(), line),
                StandardOpenOption.CREATE,
                StandardOpenOption.APPEND);
    }

    /** Where hidden states go that do not fit into memory. */
    Path spill() {
        return work;
    }

    /** The state of an end-to-end run. */
    Path tuningState() {
        return work.resolve("tuning.safetensors");
    }

    /** How the losses of all blocks went. */
    ArrayNode curves(int blocks) throws IOException {
        ArrayNode curves = JSON.createArrayNode();
        for (int block = 0; block < blocks; block++) {
            curves.addObject().put("block", block).set("curve", JSON.readTree(Files.readString(curveFile(block))));
        }
        return curves;
    }

    /**
     * Writes the manifest; what was needed only on the way stays until {@link #deleteWork}, so that a run that is stopped
     * before its report can be resumed.
     *
     * @param curves of the blocks, see {@link #curves}
     */
    void finish(JsonNode curves, ObjectNode results) throws IOException {
        ObjectNode manifest = (ObjectNode) JSON.readTree(Files.readString(work.resolve(SETTINGS)));
        manifest.setAll(results);
        manifest.set("blocks", curves);
        write(folder.resolve(MANIFEST), manifest);
    }

    /** Takes away what was needed only on the way. */
    void deleteWork() throws IOException {
        // under another name first: a folder without work is done, however far the deletion came
        Path doomed = Files.move(work, folder.resolve(WORK + "-done"), StandardCopyOption.ATOMIC_MOVE);
        try (var files = Files.walk(doomed)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }

    private Path curveFile(int block) {
        return work.resolve("block-%05d.json".formatted(block));
    }

    private static void write(Path file, JsonNode json) throws IOException {
        Path part = file.resolveSibling(file.getFileName() + ".part");
        Files.writeString(part, JSON.writeValueAsString(json) + "\n");
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    }

    /** Lets go of the folder; a run that finished no block and took no step leaves nothing behind. */
    @Override
    public void close() throws IOException {
        if (Files.isDirectory(work)
                && !hasCurve(0)
                && !Files.exists(tuningState())
                && !Files.exists(start(folder))
                && holdsOnlyWork()) {
            deleteWork();
            Files.delete(folder);
        }
        lock.release();
        channel.close();
    }
}
