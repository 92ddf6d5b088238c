package dev.salient.hub;

import static dev.salient.hub.TestHub.COMMIT;
import static dev.salient.hub.TestHub.MODEL;
import static dev.salient.hub.TestHub.id;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.Checkpoints;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelHubTest {
    private static final byte[] WEIGHTS = new byte[300_000];
    private static final byte[] CONFIG = "{\"model_type\": \"llama\"}".getBytes(UTF_8);

    static {
        new Random(1).nextBytes(WEIGHTS);
    }

    @TempDir
    private Path cache;

    private TestHub hub;

    @BeforeEach
    void start() throws IOException {
        hub = new TestHub().with("config.json", CONFIG).with("model.safetensors", WEIGHTS);
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    private Path folder() {
        return cache.resolve("models--tests--tiny");
    }

    private List<String> allFiles() throws IOException {
        try (var all = Files.walk(cache)) {
            return all.filter(Files::isRegularFile)
                    .map(file -> cache.relativize(file).toString())
                    .toList();
        }
    }

    @Test
    void pulledModelLiesWhereHuggingFaceHubWouldPutIt() throws Exception {
        hub.with("adapter/adapter_config.json", "{}");
        PulledModel pulled = hub.pull(cache);

        Path snapshot = folder().resolve("snapshots").resolve(COMMIT);
        assertThat(pulled)
                .isEqualTo(new PulledModel(
                        COMMIT,
                        snapshot,
                        List.of(
                                snapshot.resolve("adapter/adapter_config.json"),
                                snapshot.resolve("config.json"),
                                snapshot.resolve("model.safetensors")),
                        WEIGHTS.length + CONFIG.length + 2));
        assertThat(pulled.source()).isEqualTo(snapshot);
        assertThat(allFiles())
                .containsExactlyInAnyOrder(
                        ".locks/models--tests--tiny/salient.lock",
                        "models--tests--tiny/blobs/" + id("{}".getBytes(UTF_8)).hex(),
                        "models--tests--tiny/blobs/" + id(WEIGHTS).hex(),
                        "models--tests--tiny/blobs/" + id(CONFIG).hex(),
                        "models--tests--tiny/refs/main",
                        "models--tests--tiny/snapshots/" + COMMIT + "/adapter/adapter_config.json",
                        "models--tests--tiny/snapshots/" + COMMIT + "/config.json",
                        "models--tests--tiny/snapshots/" + COMMIT + "/model.safetensors");
        assertThat(folder().resolve("refs/main")).hasContent(COMMIT);
        assertThat(snapshot.resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(Files.readSymbolicLink(snapshot.resolve("model.safetensors")))
                .hasToString("../../blobs/" + id(WEIGHTS).hex());
        assertThat(Files.readSymbolicLink(snapshot.resolve("adapter/adapter_config.json"))
                        .toString())
                .startsWith("../../../blobs/");
        assertThat(hub.settings(cache).cache().find(MODEL)).isEqualTo(snapshot);
        assertThat(Checkpoints.name(snapshot)).isEqualTo("tiny");
    }

    @Test
    void smallFilesAreNamedAsGitNamesThem() {
        // git hash-object of the five letters
        assertThat(id("hello".getBytes(UTF_8)).hex()).isEqualTo("b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
    }

    @Test
    void secondPullOnlyAsksWhetherThereIsMore() throws Exception {
        hub.pull(cache);
        hub.requests.clear();
        assertThat(hub.pull(cache).fetchedBytes()).isZero();
        assertThat(hub.requests).containsExactly("localhost " + TestHub.API + " whole Bearer hf_secret");
    }

    @Test
    void newCommitFetchesOnlyWhatChanged() throws Exception {
        hub.pull(cache);
        hub.commit = "f".repeat(40);
        hub.with("config.json", "{}");
        PulledModel pulled = hub.pull(cache);
        assertThat(pulled.fetchedBytes()).isEqualTo(2);
        assertThat(pulled.folder().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(folder().resolve("snapshots/" + COMMIT + "/config.json")).hasBinaryContent(CONFIG);
        assertThat(folder().resolve("refs/main")).hasContent("f".repeat(40));
    }

    @Test
    void branchTagAndCommitAreRevisions() throws Exception {
        for (String revision : List.of("v1.0", "refs/pr/1", COMMIT)) {
            ModelName name = new ModelName("tests", "tiny", revision);
            PulledModel pulled = new ModelHub(hub.settings(cache)).pull(name, List.of(), hub.listener());
            assertThat(pulled.commit()).isEqualTo(COMMIT);
            assertThat(hub.settings(cache).cache().find(name)).isEqualTo(pulled.folder());
        }
        assertThat(hub.requests)
                .contains(
                        "localhost /api/models/tests/tiny/revision/v1.0 whole Bearer hf_secret",
                        "localhost /api/models/tests/tiny/revision/refs/pr/1 whole Bearer hf_secret");
        assertThat(folder().resolve("refs/refs/pr/1")).hasContent(COMMIT);
        assertThat(folder().resolve("refs").resolve(COMMIT)).doesNotExist();
    }

    @Test
    void hubThatAnswersWithAnotherCommitIsRefused() {
        ModelName name = new ModelName("tests", "tiny", "f".repeat(40));
        assertThatThrownBy(() -> new ModelHub(hub.settings(cache)).pull(name, List.of(), hub.listener()))
                .isInstanceOf(HubException.class)
                .hasMessage("tests/tiny@%s: got commit %s from localhost".formatted("f".repeat(40), COMMIT));
    }

    @Test
    void emptyFilesAndFilesOfOneContentAreFetchedToo() throws Exception {
        hub.with("merges.txt", "").with("vocab.json", CONFIG);
        PulledModel pulled = hub.pull(cache);
        assertThat(pulled.folder().resolve("merges.txt")).isEmptyFile();
        assertThat(pulled.folder().resolve("vocab.json")).hasBinaryContent(CONFIG);
        assertThat(hub.requests).hasSize(3).doesNotContain("merges");
    }

    @Test
    void fileSystemWithoutLinksGetsTheFilesThemselves() throws Exception {
        HubSettings usual = hub.settings(cache);
        HubSettings settings =
                new HubSettings(usual.endpoint(), null, new HubCache(cache, HubCache.Links.NEVER), usual.network());
        PulledModel pulled = new ModelHub(settings).pull(MODEL, List.of(), hub.listener());
        assertThat(Files.isSymbolicLink(pulled.folder().resolve("model.safetensors")))
                .isFalse();
        assertThat(pulled.folder().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    }

    @Test
    void offlineWhatIsHereIsUsed() throws Exception {
        HubSettings usual = hub.settings(cache);
        ModelHub offline = new ModelHub(new HubSettings(null, null, usual.cache(), usual.network()));
        assertThatThrownBy(() -> offline.pull(MODEL, List.of(), hub.listener()))
                .isInstanceOf(HubException.class)
                .hasMessage("tests/tiny: got no such model in %s, and HF_HUB_OFFLINE is set".formatted(cache));
        PulledModel pulled = hub.pull(cache);
        hub.requests.clear();
        PulledModel again = offline.pull(MODEL, List.of(), hub.listener());
        assertThat(again).isEqualTo(new PulledModel(COMMIT, pulled.folder(), pulled.files(), 0));
        assertThat(hub.requests).isEmpty();
    }

    @Test
    void twoPullsAtOnceFetchEachFileOnce() throws Exception {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<PulledModel>> pulls = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                pulls.add(threads.submit(() -> hub.pull(cache)));
            }
            long fetched = 0;
            for (Future<PulledModel> pull : pulls) {
                assertThat(pull.get().folder().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
                fetched += pull.get().fetchedBytes();
            }
            assertThat(fetched).isEqualTo(WEIGHTS.length + CONFIG.length);
        }
        assertThat(hub.requests.stream().filter(it -> it.contains("/resolve/"))).hasSize(2);
    }

    @Test
    void filesOutsideWhatAModelNeedsStayThere() throws Exception {
        hub.files.clear();
        hub.with("model.safetensors.index.json", "{}")
                .with("model-00001-of-00002.safetensors", "1")
                .with("model-00002-of-00002.safetensors", "2")
                .with("consolidated.safetensors", WEIGHTS)
                .with("pytorch_model.bin", WEIGHTS)
                .with("original/params.json", "{}")
                .with("LICENSE.txt", "terms")
                .with("chat_template.jinja", "{{ bos }}")
                .with("tiny.Q4_0.gguf", WEIGHTS);
        PulledModel pulled = hub.pull(cache);
        assertThat(HubCache.files(pulled.folder()).keySet())
                .containsExactly(
                        "LICENSE.txt",
                        "chat_template.jinja",
                        "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors",
                        "model.safetensors.index.json");
    }

    @Test
    void oneGgufFileIsTheModel() throws Exception {
        hub.files.clear();
        hub.with("Q4/tiny.Q4_0.gguf", WEIGHTS).with("mmproj-tiny.gguf", "").with("README.md", "# Tiny");
        PulledModel pulled = hub.pull(cache);
        assertThat(pulled.source()).isEqualTo(pulled.folder().resolve("Q4/tiny.Q4_0.gguf"));
        assertThat(HubCache.files(pulled.folder()).keySet()).containsExactly("Q4/tiny.Q4_0.gguf");
    }
}
