package dev.salient.examples;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.generate.FinishReason;
import dev.salient.generate.Generation;
import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.method.Method.Start;
import dev.salient.pipeline.Preset;
import dev.salient.pipeline.RunSettings;
import dev.salient.pipeline.TuneRun;
import dev.salient.torch.TorchDevice.Precision;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExamplesTest {
    /** The small model that comes with the program: it tells stories. */
    private static final Path EMBEDDED = Path.of("../cli-make/src/main/resources/dev/salient/cli/make/embedded");

    private final List<String> pieces = new ArrayList<>();

    @Test
    void aTextIsContinuedPieceByPiece() throws IOException {
        Generation generation = StreamText.stream(EMBEDDED, "Once upon a time", pieces::add);
        assertThat(generation.text()).startsWith(" there was").isEqualTo(String.join("", pieces));
        assertThat(pieces).hasSizeGreaterThan(50);
    }

    @Test
    void aTurnIsReadFromWhereTheLastOneStopped() throws IOException {
        try (Chat chat = new Chat(EMBEDDED)) {
            Generation first = chat.say("Tell me a story.", pieces::add);
            assertThat(first.reusedTokens()).isZero();
            assertThat(first.text()).isNotBlank().isEqualTo(String.join("", pieces));
            Generation second = chat.say("Another one.", pieces::add);
            assertThat(second.reusedTokens()).isGreaterThan(first.promptTokens());
            for (int turn = 0; turn < 3; turn++) { // until the oldest are forgotten
                assertThat(chat.say("And another one. ".repeat(20), pieces::add).reason())
                        .isIn(FinishReason.LENGTH, FinishReason.STOP_TOKEN);
            }
        }
    }

    @Test
    void aServiceAnswersSeveralRequestsWithOneModel() throws Exception {
        try (ChatService service = new ChatService(EMBEDDED, 0, 16);
                HttpClient client = HttpClient.newHttpClient()) {
            List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                answers.add(client.sendAsync(post(service, "Tell me a story."), BodyHandlers.ofString(UTF_8)));
            }
            for (CompletableFuture<HttpResponse<String>> answer : answers) {
                assertThat(answer.get().statusCode()).isEqualTo(200);
                assertThat(answer.get().body())
                        .isNotBlank()
                        .isEqualTo(answers.getFirst().get().body());
            }
            HttpResponse<String> got =
                    client.send(HttpRequest.newBuilder(uri(service)).build(), BodyHandlers.ofString(UTF_8));
            assertThat(got.statusCode()).isEqualTo(405);
            assertThat(got.body()).isEqualTo("method: want POST\n");
            HttpResponse<String> tooLong =
                    client.send(post(service, "a story ".repeat(1000)), BodyHandlers.ofString(UTF_8));
            assertThat(tooLong.statusCode()).isEqualTo(413);
            assertThat(tooLong.body()).matches("message: got \\d+ tokens, want at most 412\n");
        }
    }

    @Test
    void aServiceWithoutAFreePlaceSaysSo() throws Exception {
        try (ChatService service = new ChatService(EMBEDDED, 0, 0);
                HttpClient client = HttpClient.newHttpClient()) {
            HttpResponse<String> refused = client.send(post(service, "Hello"), BodyHandlers.ofString(UTF_8));
            assertThat(refused.statusCode()).isEqualTo(503);
            assertThat(refused.headers().firstValue("Retry-After")).hasValue("1");
            assertThat(refused.body()).isEqualTo("too many requests at a time: try again\n");
        }
    }

    @Test
    void aModelIsQuantizedAndTuned(@TempDir Path folder) throws IOException {
        Path text = folder.resolve("text.txt"); // a little of it, and one thread, so that the test is quick
        Files.writeString(
                text, Files.readString(EMBEDDED.resolve("demo-calibration.txt")).substring(0, 8000));
        Path out = folder.resolve("small");
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        RunSettings.Machine machine =
                new RunSettings.Machine("cpu", Precision.HIGHEST, 1, 4L << 30, folder.resolve("cache"));
        RunSettings settings = Preset.of("fast")
                .settings(EMBEDDED, out, List.of(text), machine)
                .with(new Method.Rtn(new Grid.Signed2(64), Start.SQUARED_ERROR))
                .with(new RunSettings.Calibration(List.of(text), 2, 64, 1));
        TuneRun.Outcome outcome = Quantize.run(settings, 16, new PrintStream(printed, true, UTF_8));
        assertThat(outcome.best().heldOut())
                .isLessThan(outcome.curve().getFirst().heldOut());
        assertThat(printed.toString(UTF_8))
                .startsWith("2.25 bits per weight, about PT")
                .contains("tune: 100 %\n")
                .containsPattern("small: held-out KL divergence \\d\\.\\d{4} before tuning, \\d\\.\\d{4} after\\n$");
        assertThat(StreamText.stream(out, "Once upon a time", pieces::add).text())
                .isNotBlank();
    }

    @Test
    void theReadmeShowsAnExampleAsItIs() throws IOException {
        String readme = Files.readString(Path.of("../README.md"));
        String section = readme.substring(readme.indexOf("## As a library"));
        int begin = section.indexOf("```java\n") + "```java\n".length();
        String shown = section.substring(begin, section.indexOf("```", begin));
        Path example = Path.of("src/main/java/dev/salient/examples/StreamText.java");
        assertThat(Files.readString(example)).contains(shown.indent(8));
    }

    private static URI uri(ChatService service) {
        return URI.create("http://localhost:%d/chat".formatted(service.port()));
    }

    private static HttpRequest post(ChatService service, String text) {
        return HttpRequest.newBuilder(uri(service))
                .POST(BodyPublishers.ofString(text, UTF_8))
                .build();
    }
}
