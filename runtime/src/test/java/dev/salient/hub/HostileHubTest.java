package dev.salient.hub;

import static dev.salient.hub.TestHub.API;
import static dev.salient.hub.TestHub.COMMIT;
import static dev.salient.hub.TestHub.MODEL;
import static dev.salient.hub.TestHub.body;
import static dev.salient.hub.TestHub.chunked;
import static dev.salient.hub.TestHub.cutBefore;
import static dev.salient.hub.TestHub.cutWhole;
import static dev.salient.hub.TestHub.id;
import static dev.salient.hub.TestHub.otherPart;
import static dev.salient.hub.TestHub.redirect;
import static dev.salient.hub.TestHub.rest;
import static dev.salient.hub.TestHub.status;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import org.assertj.core.api.AbstractThrowableAssert;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What servers and connections do wrong, by accident or not. */
class HostileHubTest {
    private static final String FILE = "model.safetensors";
    private static final byte[] WEIGHTS = random(1);
    private static final byte[] OTHERS = random(2);

    @TempDir
    private Path cache;

    private TestHub hub;

    private static byte[] random(long seed) {
        byte[] bytes = new byte[300_000];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    @BeforeEach
    void start() throws IOException {
        hub = new TestHub().with(FILE, WEIGHTS);
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    private Path part() {
        return cache.resolve("models--tests--tiny/blobs/%s.salient.incomplete"
                .formatted(id(WEIGHTS).hex()));
    }

    /** What was asked of the file. Where exactly a rest begins depends on how much of a cut answer came through. */
    private List<String> ranges() {
        return hub.requests.stream()
                .filter(request -> request.contains("/resolve/"))
                .map(request -> request.split(" ", -1)[2].replaceFirst("bytes=[1-9]\\d*-", "rest"))
                .toList();
    }

    private void pullsWhole() throws Exception {
        assertThat(hub.pull(cache).folder().resolve(FILE)).hasBinaryContent(WEIGHTS);
        assertThat(part()).doesNotExist();
    }

    private AbstractThrowableAssert<?, ? extends Throwable> pullFails() {
        return assertThatThrownBy(() -> hub.pull(cache));
    }

    private void failsWith(String message) {
        pullFails().isInstanceOf(HubException.class).hasMessage(message);
        assertThat(cache.resolve("models--tests--tiny/snapshots")).doesNotExist();
        assertThat(cache.resolve("models--tests--tiny/refs")).doesNotExist();
    }

    @Test
    void cutConnectionGoesOnWhereItWasCut() throws Exception {
        hub.next(FILE, cutBefore(100_000, WEIGHTS)).next(FILE, cutBefore(250_000, WEIGHTS));
        pullsWhole();
        assertThat(ranges()).containsExactly("whole", "rest", "rest");
        assertThat(hub.pauses).containsExactly(Duration.ofSeconds(1), Duration.ofSeconds(1));
        assertThat(hub.notes)
                .containsExactly(
                        "start 300000, 0 here",
                        "model.safetensors: the connection was cut; again in 1 s",
                        "model.safetensors: the connection was cut; again in 1 s");
    }

    @Test
    void connectionThatIsCutAtTheSamePlaceIsGivenUpAndWhatCameIsKept() throws Exception {
        for (int i = 0; i < 20; i++) {
            hub.next(FILE, cutBefore(100_000, WEIGHTS));
        }
        failsWith("model.safetensors: the connection was cut; gave up after 5 tries");
        long kept = Files.size(part());
        assertThat(kept).isBetween(1L, 100_000L);
        assertThat(hub.pauses)
                .endsWith(Duration.ofSeconds(1), Duration.ofSeconds(2), Duration.ofSeconds(4), Duration.ofSeconds(8));
        hub.forget();
        pullsWhole();
        assertThat(ranges()).containsExactly("rest");
        assertThat(hub.notes).containsExactly("start 300000, %d here".formatted(kept));
    }

    @Test
    void connectionThatFallsSilentIsCut() throws Exception {
        CountDownLatch end = new CountDownLatch(1);
        hub.next(FILE, exchange -> {
            cutBefore(100_000, WEIGHTS).to(exchange);
            try {
                end.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        HubSettings usual = hub.settings(cache);
        HubSettings impatient = new HubSettings(
                usual.endpoint(),
                null,
                usual.cache(),
                new HubSettings.Network(
                        Duration.ofMillis(500),
                        usual.network().pauses(),
                        usual.network().proxies()));
        PulledModel pulled = new ModelHub(impatient).pull(MODEL, List.of(), hub.listener());
        end.countDown();
        assertThat(pulled.folder().resolve(FILE)).hasBinaryContent(WEIGHTS);
        assertThat(ranges()).containsExactly("whole", "rest");
        assertThat(hub.notes).contains("model.safetensors: nothing came for 1 s; again in 1 s");
    }

    @Test
    void serverThatIgnoresRangesIsReadFromTheStart() throws Exception {
        hub.next(FILE, cutBefore(100_000, WEIGHTS)).next(FILE, body(WEIGHTS));
        pullsWhole();
        assertThat(ranges()).containsExactly("whole", "rest");
    }

    @Test
    void serverThatIgnoresRangesAndCutsIsGivenUp() {
        for (int i = 0; i < 40; i++) {
            hub.next(FILE, cutWhole(100_000, WEIGHTS));
        }
        failsWith("model.safetensors: the connection was cut; gave up after 5 tries");
    }

    @Test
    void wrongPartIsNotPutIntoTheFile() throws Exception {
        hub.next(FILE, cutBefore(100_000, WEIGHTS)).next(FILE, otherPart(99_999, WEIGHTS));
        pullsWhole();
        assertThat(ranges()).containsExactly("whole", "rest", "whole");
    }

    @Test
    void partsOfWrongPlacesOnlyAreGivenUp() {
        for (int i = 0; i < 9; i++) {
            hub.next(FILE, otherPart(5, WEIGHTS));
        }
        failsWith("model.safetensors: got another part of it than asked for from localhost, 3 times");
    }

    @Test
    void unsatisfiableRangeBeginsAgain() throws Exception {
        hub.next(FILE, cutBefore(100_000, WEIGHTS)).next(FILE, status(416));
        pullsWhole();
        assertThat(ranges()).containsExactly("whole", "rest", "whole");
    }

    @Test
    void fileThatChangesBetweenTwoTriesIsNeverMixed() throws Exception {
        hub.next(FILE, cutBefore(100_000, WEIGHTS)).next(FILE, exchange -> TestHub.serve(exchange, OTHERS));
        failsWith("model.safetensors: got SHA-256 %s, want %s as the hub said before"
                .formatted(id(OTHERS).hex(), id(WEIGHTS).hex()));
        assertThat(ranges()).containsExactly("whole", "rest"); // If-Range made it send the whole
        assertThat(part()).isEmptyFile();
        pullsWhole();
    }

    @Test
    void changedFileOfAServerWithoutIfRangeBeginsAgain() throws Exception {
        hub.next(FILE, cutBefore(100_000, WEIGHTS)).next(FILE, rest(OTHERS));
        pullsWhole();
        assertThat(ranges()).containsExactly("whole", "rest", "whole");
    }

    @Test
    void brokenRestOfAnEarlierPullBeginsAgain() throws Exception {
        Files.createDirectories(part().getParent());
        Files.write(part(), new byte[200_000]);
        pullsWhole();
        assertThat(ranges()).containsExactly("rest", "whole");
    }

    @Test
    void wrongContentIsRefusedAtOnce() {
        hub.next(FILE, body(OTHERS));
        failsWith("model.safetensors: got SHA-256 %s, want %s as the hub said before"
                .formatted(id(OTHERS).hex(), id(WEIGHTS).hex()));
        assertThat(ranges()).hasSize(1);
        assertThat(part()).isEmptyFile();
    }

    @Test
    void wrongContentOfASmallFileIsRefusedToo() {
        hub.with("config.json", "{}").next("config.json", body("[]"));
        pullFails()
                .hasMessage("config.json: got git's SHA-1 %s, want %s as the hub said before"
                        .formatted(
                                id(new byte[] {'[', ']'}).hex(),
                                id(new byte[] {'{', '}'}).hex()));
    }

    @Test
    void lengthOtherThanTheDescribedIsRefused() {
        hub.next(FILE, body("<html>Log in</html>"));
        failsWith("model.safetensors: got 19 bytes from localhost, want 300000 as the hub said before");
    }

    @Test
    void loginPageInTheMiddleDoesNotCostWhatCame() throws Exception {
        hub.next(FILE, cutBefore(100_000, WEIGHTS)).next(FILE, body("<html>Log in</html>"));
        failsWith("model.safetensors: got 19 bytes from localhost, want 300000 as the hub said before");
        hub.forget();
        pullsWhole();
        assertThat(ranges()).containsExactly("rest");
    }

    @Test
    void bodyThatDoesNotEndIsRefused() {
        hub.next(FILE, chunked(new byte[300_001]));
        failsWith("model.safetensors: got more than 300000 bytes from localhost, want 300000 as the hub said before");
        assertThat(part()).isEmptyFile();
    }

    @Test
    void bodyThatEndsEarlyIsAskedForTheRest() throws Exception {
        hub.next(FILE, chunked(java.util.Arrays.copyOf(WEIGHTS, 100_000)));
        pullsWhole();
        assertThat(ranges()).containsExactly("whole", "rest");
    }

    @Test
    void lengthThatNoDiskHoldsIsRefusedBeforeAnythingIsWritten() {
        hub.description = hub.describe().replace("\"size\":300000", "\"size\":9000000000000000000");
        pullFails()
                .isInstanceOf(HubException.class)
                .message()
                .matches("%s: got [0-9.]+ GB free, want 9000000000.0 GB for tests/tiny".formatted(cache));
        assertThat(part()).doesNotExist();
    }

    @Test
    void lengthsThatOverflowAreRefused() {
        hub.with("config.json", WEIGHTS.clone()).with("tokenizer.json", OTHERS);
        hub.description = hub.describe().replace("\"size\":300000", "\"size\":9000000000000000000");
        pullFails().isInstanceOf(HubException.class).hasMessageContaining("want 9223372036.9 GB for tests/tiny");
    }

    @Test
    void busyHubIsAskedAgainWhenItSays() throws Exception {
        hub.next(API, status(429, "Retry-After", "7"))
                .next(API, status(429, "RateLimit", "\"api\";r=0;t=55"))
                .next(API, status(503))
                .next(FILE, status(500))
                .next(FILE, status(503, "Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"));
        pullsWhole();
        assertThat(hub.pauses)
                .containsExactly(
                        Duration.ofSeconds(7),
                        Duration.ofSeconds(55),
                        Duration.ofSeconds(4),
                        Duration.ofSeconds(1),
                        Duration.ZERO);
        assertThat(hub.notes)
                .contains(
                        "tests/tiny: got status 429 from localhost; again in 7 s",
                        "model.safetensors: got status 500 from localhost; again in 1 s");
    }

    @Test
    void hubThatStaysBusyIsGivenUp() {
        for (int i = 0; i < 5; i++) {
            hub.next(API, status(503));
        }
        pullFails()
                .hasMessage("tests/tiny: got status 503 from localhost; gave up after 5 tries")
                .asInstanceOf(type(HubException.class))
                .returns(true, HubException::isTemporary)
                .returns(
                        "try again later: what has come is kept; HF_HUB_OFFLINE=1 uses what is complete",
                        HubException::hint);
    }

    @Test
    void longWaitIsLeftToTheUser() {
        hub.next(API, status(429, "Retry-After", "7200"));
        failsWith("tests/tiny: got status 429 from localhost and asks to wait 120 minutes");
        assertThat(hub.pauses).isEmpty();
    }

    @Test
    void hubThatIsNotThereIsOneLine() {
        hub.close();
        failsWith("tests/tiny: no connection to localhost; gave up after 5 tries");
    }

    @Test
    void tokenGoesToTheHubAndToNoOtherHost() throws Exception {
        hub.next(FILE, redirect("/tests/tiny/resolve/%s/renamed".formatted(COMMIT)))
                .next("renamed", redirect(hub.otherHost() + "/store/" + FILE));
        pullsWhole();
        assertThat(hub.requests)
                .containsExactly(
                        "localhost " + API + " whole Bearer hf_secret",
                        "localhost /tests/tiny/resolve/%s/model.safetensors whole Bearer hf_secret".formatted(COMMIT),
                        "localhost /tests/tiny/resolve/%s/renamed whole Bearer hf_secret".formatted(COMMIT),
                        "127.0.0.1 /store/model.safetensors whole anonymous");
    }

    @Test
    void linkThatRanOutIsAskedForAgain() throws Exception {
        String store = hub.otherHost() + "/store/" + FILE;
        hub.next(FILE, redirect(store))
                .next("/store/" + FILE, cutBefore(100_000, WEIGHTS))
                .next(FILE, redirect(store))
                .next("/store/" + FILE, status(403))
                .next(FILE, redirect(store));
        pullsWhole();
        assertThat(hub.requests.getLast()).matches("127.0.0.1 /store/model.safetensors bytes=[1-9]\\d*- anonymous");
    }

    @ParameterizedTest
    @CsvSource({
        "'', nowhere",
        "ftp://localhost/x, ftp://localhost/x",
        "file:///etc/passwd, file:///etc/passwd",
        "'http://a b/', http://a b/",
        "http://user@localhost/, http://user@localhost/",
    })
    void redirectToWhereNoModelIsIsRefused(String location, String shown) {
        hub.next(FILE, location.isEmpty() ? status(302) : redirect(location));
        failsWith("tests/tiny: got a redirect from localhost to %s, want an https address".formatted(shown));
    }

    @ParameterizedTest
    @CsvSource({
        "https://hub/a/b, /c, https://hub/c",
        "https://hub/a/b, c, https://hub/a/c",
        "https://hub/a, https://store/b?sign=x%3D, https://store/b?sign=x%3D",
        "http://hub/a, https://store/b, https://store/b",
        "http://hub/a, //store/b, http://store/b",
        "https://hub/a, http://hub/a, ",
        "https://hub/a, data:text, ",
    })
    void redirectsAreFollowedButNotOutOfAnEncryptedConnection(URI from, String location, @Nullable URI want) {
        assertThat(HubConnection.findTarget(from, location)).isEqualTo(want);
    }

    @Test
    void certificateThatNobodyVouchesForIsOneLine() throws Exception {
        try (SelfSigned server = new SelfSigned(cache)) {
            HubSettings settings = hub.settings(cache).withEndpoint(server.address());
            assertThatThrownBy(() -> new ModelHub(settings).pull(MODEL, List.of(), hub.listener()))
                    .isInstanceOf(HubException.class)
                    .hasMessage("tests/tiny: got a certificate from localhost that nobody vouches for");
        }
    }

    @Test
    void redirectsInACircleAreRefused() {
        for (int i = 0; i < 20; i++) {
            hub.next(FILE, redirect("/tests/tiny/resolve/%s/%s".formatted(COMMIT, FILE)));
        }
        failsWith("tests/tiny: got more than 8 redirects from localhost");
        assertThat(ranges()).hasSize(9);
    }
}
