package dev.salient.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.salient.hub.HubCache;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The program against a hub on this machine; what servers do wrong is tested where the hub's package is. */
class PullCommandTest {
    private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    @TempDir
    private Path folder;

    private HttpServer server;

    @BeforeEach
    void serveATinyModel() throws IOException {
        Path cache = Path.of(System.getenv("HF_HOME"));
        assertThat(cache.endsWith(Path.of("target", "hf-home"))).isTrue(); // not that of whoever runs this
        if (Files.exists(cache)) {
            try (var all = Files.walk(cache)) {
                for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(path);
                }
            }
        }
        TinyModel.write(folder, 1);
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", this::answer);
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private String endpoint() {
        return "http://localhost:" + server.getAddress().getPort();
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            String path = exchange.getRequestURI().getPath();
            Path file = folder.resolve(path.substring(path.lastIndexOf('/') + 1));
            if (path.startsWith("/api/models/tests/tiny/")) {
                send(exchange, description().toString().getBytes(UTF_8));
            } else if (Files.isRegularFile(file)) {
                send(exchange, Files.readAllBytes(file));
            } else {
                exchange.sendResponseHeaders(404, -1);
            }
        }
    }

    private static void send(HttpExchange exchange, byte[] body) throws IOException {
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
    }

    private ObjectNode description() throws IOException {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("sha", COMMIT);
        ArrayNode siblings = json.putArray("siblings");
        try (var files = Files.list(folder)) {
            for (Path file : files.sorted().toList()) {
                ObjectNode sibling = siblings.addObject().put("rfilename", String.valueOf(file.getFileName()));
                sibling.putObject("lfs")
                        .put("size", Files.size(file))
                        .put(
                                "sha256",
                                new Sha256().with(Files.readAllBytes(file)).hex());
            }
        }
        return json;
    }

    private static Path snapshot() {
        return Path.of(System.getenv("HF_HOME"), "hub/models--tests--tiny/snapshots", COMMIT);
    }

    @Test
    void pulledModelIsThereForEveryCommandByItsName() {
        Run pull = Run.of("pull", "tests/tiny", "--endpoint", endpoint());
        assertThat(pull.status()).isZero();
        assertThat(pull.out()).isEqualTo(snapshot() + "\n");
        assertThat(pull.err()).matches("pull tests/tiny: 385\\.1 kB of 385\\.1 kB in [0-9.]+ s\n");

        assertThat(Run.of("pull", "tests/tiny", "--endpoint", endpoint()))
                .isEqualTo(new Run(0, snapshot() + "\n", "tests/tiny: all of it was here already\n"));
        assertThat(Run.of("inspect", "tests/tiny").out())
                .isEqualTo(Run.of("inspect", snapshot()).out())
                .isNotEmpty();
        assertThat(Run.of("generate", "tests/tiny@" + COMMIT, "a", "--max-tokens", "1"))
                .isEqualTo(Run.of("generate", snapshot(), "a", "--max-tokens", "1"));
    }

    @Test
    void jsonNamesEveryFile() throws IOException {
        Run run = Run.of("pull", "tests/tiny", "--endpoint", endpoint(), "--json", "--file", "*.json");
        assertThat(run.status()).isZero();
        assertThat(run.out()).isEqualTo("""
                {"model":"tests/tiny","revision":"main","commit":"%s","path":"%s","fetchedBytes":%d,\
                "files":{"config.json":%d,"tokenizer.json":%d,"tokenizer_config.json":%d}}
                """.formatted(
                        COMMIT,
                        snapshot(),
                        Files.size(folder.resolve("config.json"))
                                + Files.size(folder.resolve("tokenizer.json"))
                                + Files.size(folder.resolve("tokenizer_config.json")),
                        Files.size(folder.resolve("config.json")),
                        Files.size(folder.resolve("tokenizer.json")),
                        Files.size(folder.resolve("tokenizer_config.json"))));
    }

    @Test
    void nameThatIsNotHereSaysWhatFetchesIt() {
        Run other = new Run(2, "", """
                salient: tests/other: got no such file or folder, and no model of this name in the cache
                  salient pull tests/other fetches it
                """);
        assertThat(Run.of("inspect", "tests/other")).isEqualTo(other);
        assertThat(Run.of("evaluate", folder, "tests/other", "--text", "x")).isEqualTo(other);
        assertThat(Run.of("evaluate", folder, "--against", "tests/other", "--text", "x"))
                .isEqualTo(other);
        assertThat(Run.of("perplexity", folder, "--against", "tests/other", "--text", "x"))
                .isEqualTo(other);
    }

    @Test
    void folderOfTheSameNameWins() throws IOException {
        Run.of("pull", "tests/tiny", "--endpoint", endpoint());
        HubCache cache = new HubCache(Path.of(System.getenv("HF_HOME"), "hub"), HubCache.Links.NEVER);
        assertThat(ModelPath.find("tests/tiny", cache)).isEqualTo(snapshot());
        assertThat(ModelPath.find("src/test", cache)).isEqualTo(Path.of("src/test"));
        assertThat(ModelPath.find("nothing", cache)).isEqualTo(Path.of("nothing"));
    }

    @Test
    void refusalIsOneLineAndAHint() {
        assertThat(Run.of("pull", "tests/other", "--endpoint", endpoint())).isEqualTo(new Run(2, "", """
                salient: tests/other: got status 404 from localhost: it has no such model, or not for this token
                  check the name; if it is private, set HF_TOKEN to a token of an account that may read it
                """));
        assertThat(Run.of("pull", "tiny"))
                .isEqualTo(
                        new Run(2, "", "salient: tiny: got no name of a model, want ORG/NAME or ORG/NAME@revision\n"));
        assertThat(Run.of("pull", "tests/tiny", "--endpoint", "hub"))
                .isEqualTo(new Run(2, "", "salient: endpoint: got hub, want https://HOST or http://HOST\n"));
    }
}
