package dev.salient.hub;

import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * One file on its way into the cache. It goes on where it was stopped, by whatever, and gets its name when its length
 * and its hash are what the hub said before.
 */
final class Download {
    private static final int BUFFER_BYTES = 1 << 18;
    private static final int MAX_RESTARTS = 2;
    private static final Pattern RANGE = Pattern.compile("bytes (\\d{1,18})-\\d{1,18}/(\\d{1,18}|\\*)");

    private final HubConnection hub;
    private final URI source;
    private final RemoteFile file;
    private final PullListener listener;

    private MessageDigest digest;
    private long position;
    private long furthest;
    private int restarts;
    /** What came so far came in several answers, and need not be of one content. */
    private boolean pieced;

    private @Nullable String tag;

    Download(HubConnection hub, URI source, RemoteFile file, PullListener listener) {
        this.hub = hub;
        this.source = source;
        this.file = file;
        this.listener = listener;
        digest = newDigest();
    }

    private MessageDigest newDigest() {
        return file.id().newDigest(file.bytes());
    }

    /** Bytes of a file that an earlier pull left, of which the next one makes use. */
    static long usableBytes(Path part, RemoteFile file) throws IOException {
        long bytes = Files.isRegularFile(part) ? Files.size(part) : 0;
        return bytes > file.bytes() ? 0 : bytes;
    }

    /**
     * Fetches what is missing of the file.
     *
     * @param part where it grows
     * @param blob its place when it is whole
     */
    void into(Path part, Path blob, Retries retries) throws IOException, InterruptedException {
        try (FileChannel out =
                FileChannel.open(part, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            out.truncate(usableBytes(part, file));
            takeUp(out);
            while (!isWhole(out)) {
                try {
                    receive(out);
                } catch (TransientException e) {
                    if (position > furthest) { // a server that always cuts at the same place gets a few tries only
                        furthest = position;
                        retries.reset();
                    }
                    retries.pauseAfter(e);
                }
            }
            out.force(true);
        }
        Files.move(part, blob, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private void takeUp(FileChannel out) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
        while (out.read(buffer, position) > 0) {
            position += buffer.flip().remaining();
            digest.update(buffer);
            buffer.clear();
        }
        furthest = position;
        pieced = position > 0;
    }

    private boolean isWhole(FileChannel out) throws IOException {
        if (position < file.bytes()) {
            return false;
        }
        String got = HexFormat.of().formatHex(digest.digest());
        if (got.equals(file.id().hex())) {
            return true;
        }
        if (!pieced || restarts >= MAX_RESTARTS) {
            out.truncate(0);
            throw HubException.unreachable(
                    "%s: got %s %s, want %s as the hub said before"
                            .formatted(
                                    file.path(),
                                    file.id().algorithm(),
                                    got,
                                    file.id().hex()),
                    "it changed there or on the way; pull it again");
        }
        startOver(out);
        return false;
    }

    private void startOver(FileChannel out) throws IOException {
        out.truncate(0);
        listener.onBytes(-position);
        digest = newDigest();
        position = 0;
        restarts++;
        pieced = false;
        tag = null;
    }

    private void receive(FileChannel out) throws IOException, InterruptedException {
        Map<String, String> headers = new TreeMap<>();
        if (position > 0) {
            headers.put("Range", "bytes=" + position + "-");
            if (tag != null) { // a server whose file has changed sends all of it
                headers.put("If-Range", tag);
            }
        }
        try (Answer answer = hub.open(source, headers)) {
            accept(answer, out);
            copy(answer, out);
        }
    }

    /** Looks at the answer's head, before any of its bytes gets into the file. */
    private void accept(Answer answer, FileChannel out) throws IOException {
        String got = answer.findHeader("ETag");
        String strong = got == null || got.startsWith("W/") ? null : got;
        if (answer.status() == 200) {
            requireLength(answer); // before what came is given up: a portal that wants a login answers 200 too
            if (position > 0) {
                startOver(out);
            }
        } else if (!isRest(answer) || (tag != null && strong != null && !tag.equals(strong))) {
            startOver(out);
            requireFewRestarts(answer);
            throw new TransientException("got another part than asked for from " + answer.host());
        } else {
            pieced = true;
        }
        tag = strong;
    }

    private boolean isRest(Answer answer) {
        String header = answer.findHeader("Content-Range");
        Matcher range = RANGE.matcher(header == null ? "" : header);
        return answer.status() == 206
                && range.matches()
                && Long.parseLong(range.group(1)) == position
                && (range.group(2).equals("*") || Long.parseLong(range.group(2)) == file.bytes());
    }

    private void requireFewRestarts(Answer answer) throws HubException {
        if (restarts > MAX_RESTARTS) {
            throw HubException.unreachable(
                    "%s: got another part of it than asked for from %s, %d times"
                            .formatted(file.path(), answer.host(), restarts),
                    "pull it again");
        }
    }

    private void requireLength(Answer answer) throws HubException {
        String length = answer.findHeader("Content-Length");
        if (length != null && !length.equals(Long.toString(file.bytes()))) {
            throw wrongLength(Plain.text(length), answer);
        }
    }

    private HubException wrongLength(String got, Answer answer) {
        return HubException.unreachable(
                "%s: got %s bytes from %s, want %d as the hub said before"
                        .formatted(file.path(), got, answer.host(), file.bytes()),
                "it changed there or on the way; pull it again");
    }

    private void copy(Answer answer, FileChannel out) throws IOException, InterruptedException {
        byte[] chunk = new byte[BUFFER_BYTES];
        for (int n; (n = answer.read(chunk)) >= 0; ) {
            if (n > file.bytes() - position) {
                out.truncate(0);
                throw wrongLength("more than " + file.bytes(), answer);
            }
            ByteBuffer bytes = ByteBuffer.wrap(chunk, 0, n);
            while (bytes.hasRemaining()) {
                position += out.write(bytes, position);
            }
            digest.update(chunk, 0, n);
            listener.onBytes(n);
        }
        if (position < file.bytes()) {
            throw new TransientException("the connection to " + answer.host() + " ended early");
        }
    }
}
