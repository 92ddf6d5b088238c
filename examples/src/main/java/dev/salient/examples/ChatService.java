package dev.salient.examples;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.generate.Ending;
import dev.salient.generate.Sampling;
import dev.salient.generate.Sessions;
import dev.salient.model.PackedLanguageModel;
import dev.salient.tokenizer.ChatMessage;
import dev.salient.tokenizer.ChatTemplate;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;

/**
 * One model for all requests of a plain Java service: {@code ChatService MODEL}, then
 *
 * <pre>curl --no-buffer -d 'Tell me a story.' http://localhost:8080/chat</pre>
 *
 * <p>So many answers are written at a time, each streamed as it comes; some requests wait, further ones are told to come back.
 */
public final class ChatService implements AutoCloseable {
    private static final int AT_A_TIME = 2;
    private static final int CONTEXT = 512;
    private static final int LONGEST_ANSWER = 100;
    private static final int LONGEST_REQUEST_BYTES = 64 << 10;
    /** What answers under way may still take when the service is closed. */
    private static final int GRACE_SECONDS = 1;

    private final Checkpoint checkpoint;
    private final ChatTemplate template;
    private final PackedLanguageModel model;
    private final Sessions sessions;
    private final Semaphore places;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final HttpServer server;

    /**
     * Loads a model and starts to listen, on this machine only.
     *
     * @param port 0 for any that is free
     * @param places requests that are answered or wait
     */
    ChatService(Path path, int port, int places) throws IOException {
        checkpoint = Checkpoints.open(path);
        template = checkpoint.expectChatTemplate();
        model = new PackedLanguageModel(checkpoint.weights());
        sessions = new Sessions(model, checkpoint.expectTokenizer(), CONTEXT, AT_A_TIME);
        this.places = new Semaphore(places);
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        server.setExecutor(threads);
        server.createContext("/chat", this::handle);
        server.start();
    }

    public static void main(String[] args) throws IOException {
        ChatService service = new ChatService(Path.of(args[0]), 8080, 16);
        Runtime.getRuntime().addShutdownHook(new Thread(service::close));
        System.out.println("listening on port " + service.port());
    }

    int port() {
        return server.getAddress().getPort();
    }

    private void handle(HttpExchange exchange) throws IOException {
        if (!exchange.getRequestMethod().equals("POST")) {
            refuse(exchange, 405, "method: want POST");
        } else if (!places.tryAcquire()) {
            exchange.getResponseHeaders().set("Retry-After", "1");
            refuse(exchange, 503, "too many requests at a time: try again");
        } else {
            try {
                answer(exchange);
            } finally {
                places.release();
            }
        }
    }

    private void answer(HttpExchange exchange) throws IOException {
        byte[] body = exchange.getRequestBody().readNBytes(LONGEST_REQUEST_BYTES + 1);
        if (body.length > LONGEST_REQUEST_BYTES) {
            refuse(exchange, 413, "message: want at most " + LONGEST_REQUEST_BYTES + " bytes");
            return;
        }
        int[] prompt = template.encodePrompt(List.of(new ChatMessage("user", new String(body, UTF_8))));
        if (prompt.length > CONTEXT - LONGEST_ANSWER) {
            refuse(
                    exchange,
                    413,
                    "message: got %d tokens, want at most %d".formatted(prompt.length, CONTEXT - LONGEST_ANSWER));
            return;
        }
        exchange.getResponseHeaders().set("Content-Type", "text/plain; charset=utf-8");
        exchange.sendResponseHeaders(200, 0); // of any length: sent in chunks
        OutputStream out = exchange.getResponseBody();
        Ending ending = Ending.of(LONGEST_ANSWER, checkpoint.endTokens());
        sessions.generate(prompt, Sampling.of(0.8, 0.95, 1), ending, piece -> write(out, piece));
        // Only now: an answer that failed is cut off, and looks cut off, since the server then closes the connection.
        exchange.close();
    }

    /** Hands a piece to the client; where the client is gone, what is thrown ends the answer. */
    private static void write(OutputStream out, String piece) {
        try {
            out.write(piece.getBytes(UTF_8));
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void refuse(HttpExchange exchange, int status, String message) throws IOException {
        byte[] body = (message + "\n").getBytes(UTF_8);
        try (exchange) {
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
        }
    }

    /** Takes no more requests, gives those under way a moment, ends the rest, and then lets go of the model. */
    @Override
    public void close() {
        server.stop(GRACE_SECONDS);
        sessions.close();
        threads.close();
        model.close();
        checkpoint.close();
    }
}
