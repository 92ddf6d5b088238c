package dev.salient.hub;

import static dev.salient.hub.TestHub.API;
import static dev.salient.hub.TestHub.COMMIT;
import static dev.salient.hub.TestHub.MODEL;
import static dev.salient.hub.TestHub.chunked;
import static dev.salient.hub.TestHub.id;
import static dev.salient.hub.TestHub.status;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import dev.salient.format.FormatException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Random;
import java.util.stream.LongStream;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Descriptions of a model that are none or mean harm, and hubs that don't give it. */
class HostileDescriptionTest {
    private static final String FILE = "model.safetensors";
    private static final byte[] WEIGHTS = new byte[1000];

    @TempDir
    private Path cache;

    private TestHub hub;

    @BeforeEach
    void start() throws IOException {
        hub = new TestHub().with(FILE, WEIGHTS);
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    private AbstractThrowableAssert<?, ? extends Throwable> pullFails() {
        return assertThatThrownBy(() -> hub.pull(cache));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../config.json",
                "a/../../b.gguf",
                "/etc/passwd",
                "a//b",
                "./a",
                "a/",
                "..",
                "C:\\a",
                "a\u001b[2J"
            })
    void pathOutOfTheFolderIsRefused(String path) {
        hub.with(path, "x");
        pullFails()
                .isInstanceOf(FormatException.class)
                .hasMessage("tests/tiny: %s: got a path that leaves the folder, want none"
                        .formatted(path.replace('\u001b', '?')));
        assertThat(cache).isEmptyDirectory();
    }

    @Test
    void descriptionThatDoesNotEndIsRefused() {
        hub.next(API, chunked(new byte[16_500_000]));
        pullFails().hasMessage("tests/tiny: got a description of more than 16000000 bytes from localhost");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "<html> | tests/tiny: the hub's answer: got broken JSON at line 1, column 1, want a JSON object",
                "[] | tests/tiny: the hub's answer: got something else, want a JSON object",
                "{} | tests/tiny: the hub's answer: sha: got nothing, want a string",
                "{\"sha\": \"../x\"} | tests/tiny: the hub's answer: sha: got \"../x\", want 40 hexadecimal digits",
                "{\"sha\": \"@\"} | tests/tiny: the hub's answer: siblings: got nothing, want the list of files",
                "{\"sha\": \"@\", \"siblings\": [{\"rfilename\": \"a\"}]} | tests/tiny: a: got no size and hash, want both",
                "{\"sha\": \"@\", \"siblings\": [7]} | tests/tiny: : got a path that leaves the folder, want none",
                "{\"sha\": \"@\", \"siblings\": []}"
                        + " | tests/tiny: got no model in it, want model.safetensors, model.safetensors.index.json or a .gguf file",
            })
    void descriptionThatIsNoneIsRefused(String description, String message) {
        hub.description = description.replace("@", COMMIT);
        pullFails().isInstanceOf(IOException.class).hasMessage(message);
        assertThat(cache).isEmptyDirectory();
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void mutatedDescriptionIsRefusedOrNamesOnlyWhatStaysInTheFolder(long seed) throws IOException {
        Random random = new Random(seed);
        byte[] json = hub.with("a/b.gguf", "x").describe().getBytes(UTF_8);
        for (int round = 0; round < 200; round++) {
            byte[] mutated = json.clone();
            for (int i = random.nextInt(1, 4); i > 0; i--) {
                mutated[random.nextInt(json.length)] = (byte) "./\\\"-{}[],:0f9\0".charAt(random.nextInt(15));
            }
            try {
                for (RemoteFile file : RemoteModel.read(MODEL, mutated).files()) {
                    Path path = hub.settings(cache).cache().file(MODEL, COMMIT, file.path());
                    assertThat(path.normalize().startsWith(cache.resolve("models--tests--tiny/snapshots")))
                            .isTrue();
                    assertThat(file.bytes()).isNotNegative();
                }
            } catch (FormatException e) {
                assertThat(e.getMessage()).startsWith("tests/tiny: ").doesNotContain("\0");
            }
        }
    }

    static LongStream seeds() {
        return LongStream.range(0, 20);
    }

    @Test
    void blobNameOutOfTheFolderIsRefused() {
        hub.description = hub.describe().replace(id(WEIGHTS).hex(), "../../../../evil");
        pullFails()
                .isInstanceOf(FormatException.class)
                .hasMessage("tests/tiny: model.safetensors: got no size and hash, want both");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "401 | RepoNotFound | tests/tiny: got status 401 from localhost: it has no such model, or not for this token"
                        + " | check the name; if it is private, set HF_TOKEN to a token of an account that may read it",
                "404 | x | tests/tiny: got status 404 from localhost: it has no such model, or not for this token"
                        + " | check the name; if it is private, set HF_TOKEN to a token of an account that may read it",
                "403 | x | tests/tiny: got status 403 from localhost: this token may not read it"
                        + " | set HF_TOKEN to a token of an account that may read it",
                "403 | GatedRepo | tests/tiny: its authors give it only to those who accept their terms"
                        + " | accept them at URL/tests/tiny, then set HF_TOKEN to a token of an account that may read it",
                "404 | RevisionNotFound | tests/tiny: got revision main, want a branch, a tag or a commit of it |",
                "418 | x | tests/tiny: got status 418 from localhost, want the model"
                        + " | is it a hub? HF_ENDPOINT or --endpoint names another",
            })
    void refusalSaysWhatToDo(int status, String code, String message, String hint) {
        hub.next(API, status(status, "X-Error-Code", code));
        pullFails()
                .hasMessage(message)
                .asInstanceOf(type(HubException.class))
                .returns(false, HubException::isTemporary)
                .returns(hint == null ? null : hint.replace("URL", hub.address().toString()), HubException::hint);
        assertThat(hub.pauses).isEmpty();
    }

    @Test
    void gatedFileOfADescribedModelSaysWhatToDo() {
        hub.next(FILE, status(401, "X-Error-Code", "GatedRepo"));
        pullFails().hasMessage("tests/tiny: its authors give it only to those who accept their terms");
    }
}
