package dev.salient.hub;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/** A hub on this machine with one model, which answers as told: well, or as badly as servers do. */
final class TestHub implements AutoCloseable {
    static final ModelName MODEL = ModelName.parse("tests/tiny");
    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
    static final String API = "/api/models/tests/tiny/revision/main";

    final Map<String, byte[]> files = new TreeMap<>();
    final List<String> requests = Collections.synchronizedList(new ArrayList<>());
    final List<Duration> pauses = Collections.synchronizedList(new ArrayList<>());
    final List<String> notes = Collections.synchronizedList(new ArrayList<>());
    String commit = COMMIT;

    @Nullable
    String description;

    private final Map<String, Deque<Reply>> replies = new ConcurrentHashMap<>();
    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

    /** One answer. */
    interface Reply {
        void to(HttpExchange exchange) throws IOException;
    }

    TestHub() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.createContext("/", this::handle);
        server.start();
    }

    URI address() {
        return URI.create("http://localhost:" + server.getAddress().getPort());
    }

    /** The same server under a name that is another host to those who compare names. */
    String otherHost() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    HubSettings settings(Path cache) {
        return new HubSettings(
                address(),
                "hf_secret",
                new HubCache(cache, HubCache.Links.WHERE_POSSIBLE),
                new HubSettings.Network(Duration.ofSeconds(20), pauses::add, ProxySelector.of(null)));
    }

    PulledModel pull(Path cache, String... patterns) throws IOException, InterruptedException {
        return new ModelHub(settings(cache)).pull(MODEL, List.of(patterns), listener());
    }

    PullListener listener() {
        return new PullListener() {
            @Override
            public void onStart(long bytes, long here) {
                notes.add("start %d, %d here".formatted(bytes, here));
            }

            @Override
            public void onBytes(long bytes) {}

            @Override
            public void onNote(String line) {
                notes.add(line);
            }
        };
    }

    /** Adds a file; files of 100 bytes and more are stored as large files. */
    TestHub with(String path, byte[] content) {
        files.put(path, content);
        return this;
    }

    TestHub with(String path, String content) {
        return with(path, content.getBytes(UTF_8));
    }

    /** The next request for this file, or for the description ({@link #API}), is answered so; those after it in turn. */
    TestHub next(String path, Reply reply) {
        replies.computeIfAbsent(
                        path.startsWith("/") ? path : "/tests/tiny/resolve/" + COMMIT + "/" + path,
                        key -> new ArrayDeque<>())
                .add(reply);
        return this;
    }

    /** Forgets what was asked and said, and answers well from now on. */
    void forget() {
        replies.clear();
        requests.clear();
        pauses.clear();
        notes.clear();
    }

    static BlobId id(byte[] content) {
        String anyId = "0".repeat(content.length >= 100 ? 64 : 40);
        return new BlobId(HexFormat.of()
                .formatHex(new BlobId(anyId).newDigest(content.length).digest(content)));
    }

    static String tag(byte[] content) {
        return '"' + id(content).hex() + '"';
    }

    private void handle(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        String range = exchange.getRequestHeaders().getFirst("Range");
        String token = exchange.getRequestHeaders().getFirst("Authorization");
        String host = exchange.getRequestHeaders().getFirst("Host").replaceFirst(":\\d+", "");
        requests.add(
                String.join(" ", host, path, range == null ? "whole" : range, token == null ? "anonymous" : token));
        Deque<Reply> queue = replies.get(path);
        Reply reply = queue == null ? null : queue.poll();
        try (exchange) {
            if (reply != null) {
                reply.to(exchange);
            } else if (path.startsWith("/api/")) {
                body(description == null ? describe() : description).to(exchange);
            } else {
                serve(exchange, files.get(path.replaceFirst("^/(tests/tiny/resolve/[^/]+|store)/", "")));
            }
        }
    }

    String describe() {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("sha", commit);
        ArrayNode siblings = json.putArray("siblings");
        files.forEach((path, content) -> {
            ObjectNode file = siblings.addObject().put("rfilename", path).put("size", content.length);
            file.put("blobId", "f".repeat(40));
            if (content.length >= 100) {
                file.putObject("lfs").put("sha256", id(content).hex()).put("size", content.length);
            } else {
                file.put("blobId", id(content).hex());
            }
        });
        return json.toString();
    }

    /** As a good server does: with ranges, as long as the content is still the one that was begun. */
    static void serve(HttpExchange exchange, byte @Nullable [] content) throws IOException {
        String ifRange = exchange.getRequestHeaders().getFirst("If-Range");
        boolean changed = content != null && ifRange != null && !ifRange.equals(tag(content));
        serve(exchange, content, changed ? null : exchange.getRequestHeaders().getFirst("Range"));
    }

    /** As servers do that know ranges, but not If-Range. */
    static Reply rest(byte[] content) {
        return exchange -> serve(exchange, content, exchange.getRequestHeaders().getFirst("Range"));
    }

    private static void serve(HttpExchange exchange, byte @Nullable [] content, @Nullable String range)
            throws IOException {
        if (content == null) {
            exchange.getResponseHeaders().set("X-Error-Code", "EntryNotFound");
            exchange.sendResponseHeaders(404, -1);
            return;
        }
        exchange.getResponseHeaders().set("ETag", tag(content));
        if (range == null) {
            send(exchange, 200, content);
        } else {
            int from = Integer.parseInt(range.replaceAll("\\D", ""));
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes %d-%d/%d".formatted(from, content.length - 1, content.length));
            send(exchange, 206, Arrays.copyOfRange(content, from, content.length));
        }
    }

    private static void send(HttpExchange exchange, int status, byte[] body) throws IOException {
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        exchange.getResponseBody().write(body);
    }

    static Reply body(String text) {
        return body(text.getBytes(UTF_8));
    }

    /** The whole content, whatever part was asked for. */
    static Reply body(byte[] content) {
        return exchange -> {
            exchange.getResponseHeaders().set("ETag", tag(content));
            send(exchange, 200, content);
        };
    }

    /** Without a length beforehand. */
    static Reply chunked(byte[] content) {
        return exchange -> {
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write(content);
        };
    }

    /** A part of another place than the one that was asked for. */
    static Reply otherPart(int from, byte[] content) {
        return exchange -> {
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes %d-%d/%d".formatted(from, content.length - 1, content.length));
            send(exchange, 206, Arrays.copyOfRange(content, from, content.length));
        };
    }

    /** The rest of a content without its last bytes: then the connection is cut. */
    static Reply cutBefore(int end, byte[] content) {
        return exchange -> {
            String range = exchange.getRequestHeaders().getFirst("Range");
            int from = range == null ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
            exchange.getResponseHeaders().set("ETag", tag(content));
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes %d-%d/%d".formatted(from, content.length - 1, content.length));
            exchange.sendResponseHeaders(range == null ? 200 : 206, content.length - from);
            exchange.getResponseBody().write(content, from, Math.max(0, end - from));
            exchange.getResponseBody().flush();
        };
    }

    /** The first bytes of the whole content, whatever part was asked for: then the connection is cut. */
    static Reply cutWhole(int end, byte[] content) {
        return exchange -> {
            exchange.sendResponseHeaders(200, content.length);
            exchange.getResponseBody().write(content, 0, end);
            exchange.getResponseBody().flush();
        };
    }

    static Reply status(int status, String... headers) {
        return exchange -> {
            for (int i = 0; i < headers.length; i += 2) {
                exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
            }
            exchange.sendResponseHeaders(status, -1);
        };
    }

    static Reply redirect(String to) {
        return status(302, "Location", to);
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
