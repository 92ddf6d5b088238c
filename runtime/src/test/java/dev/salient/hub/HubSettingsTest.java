package dev.salient.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HubSettingsTest {
    @TempDir
    private Path home;

    private HubSettings of(String... variables) throws IOException {
        Map<String, String> environment = new java.util.HashMap<>();
        for (int i = 0; i < variables.length; i += 2) {
            environment.put(variables[i], variables[i + 1]);
        }
        return HubSettings.of(environment, home);
    }

    @ParameterizedTest
    @CsvSource({
        "'', '', HOME/.cache/huggingface/hub",
        "XDG_CACHE_HOME, /x, /x/huggingface/hub",
        "HF_HOME, /h, /h/hub",
        "HF_HOME, ~/h, HOME/h/hub",
        "HF_HOME, '', HOME/.cache/huggingface/hub",
        "HUGGINGFACE_HUB_CACHE, /old, /old",
        "HF_HUB_CACHE, /c, /c",
        "HF_HUB_CACHE, $DISK/c/${DISK}, /d/c//d",
        "HF_HUB_CACHE, /$NOTHING/c, /$NOTHING/c",
    })
    void cacheIsWhereHuggingFaceHubLooks(String variable, String value, String want) throws IOException {
        assertThat(of("DISK", "/d", variable, value).cache().root())
                .isEqualTo(Path.of(want.replace("HOME", home.toString())));
    }

    @Test
    void hubCacheWinsOverHome() throws IOException {
        assertThat(of("HF_HOME", "/h", "HF_HUB_CACHE", "/c", "HUGGINGFACE_HUB_CACHE", "/o")
                        .cache()
                        .root())
                .isEqualTo(Path.of("/c"));
    }

    @Test
    void endpointIsThePublicHubOrTheUsersOwn() throws IOException {
        assertThat(of().endpoint()).isEqualTo(URI.create(HubSettings.PUBLIC_HUB));
        assertThat(of("HF_ENDPOINT", "https://hub.example/path/").endpoint())
                .isEqualTo(URI.create("https://hub.example/path"));
        assertThat(of().withEndpoint("http://localhost:1/").endpoint()).isEqualTo(URI.create("http://localhost:1"));
        assertThat(of("HF_HUB_OFFLINE", "yes")
                        .withEndpoint("http://localhost:1")
                        .endpoint())
                .isNull();
        assertThat(of("HF_HUB_OFFLINE", "0").endpoint()).isNotNull();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"hub.example", "ftp://hub.example", "https://u:p@hub.example", "https://h?x=1", "https://a b"})
    void endpointThatIsNoAddressIsRefused(String endpoint) {
        assertThatThrownBy(() -> of("HF_ENDPOINT", endpoint))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("endpoint: got %s, want https://HOST or http://HOST".formatted(endpoint));
    }

    @Test
    void tokenIsTheVariableOrTheFile() throws IOException {
        assertThat(of().token()).isNull();
        Files.createDirectories(home.resolve(".cache/huggingface"));
        Files.writeString(home.resolve(".cache/huggingface/token"), "hf_file\n");
        assertThat(of().token()).isEqualTo("hf_file");
        assertThat(of("HF_TOKEN", " hf_variable ").token()).isEqualTo("hf_variable");
        assertThat(of("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1").token()).isNull();
        assertThat(of("HF_TOKEN_PATH", home.resolve("none").toString()).token()).isNull();
    }

    @Test
    void tokenIsNeverShown() throws IOException {
        assertThat(of("HF_TOKEN", "hf_secret").toString()).doesNotContain("secret");
        assertThatThrownBy(() -> of("HF_TOKEN", "hf\nsecret"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("HF_TOKEN: got a token with blanks or letters that are not ASCII");
    }

    @ParameterizedTest
    @CsvSource({
        "HTTPS_PROXY, http://proxy:3128, https://hub.example, proxy:3128",
        "https_proxy, proxy:3128/, https://hub.example, proxy:3128",
        "HTTP_PROXY, http://proxy:3128, https://hub.example, ",
        "HTTP_PROXY, http://proxy:3128, http://hub.example, proxy:3128",
        "ALL_PROXY, http://proxy:3128, https://hub.example, proxy:3128",
        "ALL_PROXY, http://proxy:3128, https://localhost:80, ",
        "ALL_PROXY, http://proxy:3128, https://127.0.0.1:80, ",
        "ALL_PROXY, http://proxy:3128, https://inner.net, ",
        "ALL_PROXY, http://proxy:3128, https://hub.inner.net, ",
        "ALL_PROXY, http://proxy:3128, https://dinner.net, proxy:3128",
    })
    void proxiesAreThoseOfTheEnvironment(String variable, String value, String uri, String want) {
        EnvironmentProxies proxies = new EnvironmentProxies(Map.of(variable, value, "NO_PROXY", "other, .inner.net"));
        Object address = proxies.select(URI.create(uri)).getFirst().address();
        assertThat(address == null ? null : address.toString().replace("/<unresolved>", ""))
                .isEqualTo(want);
    }

    @Test
    void proxyWithAPasswordIsRefusedWithoutShowingIt() {
        EnvironmentProxies proxies = new EnvironmentProxies(Map.of("HTTPS_PROXY", "http://me:secret@proxy:3128"));
        assertThatThrownBy(() -> proxies.select(URI.create("https://hub.example")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("HTTPS_PROXY: got another form, want http://HOST:PORT"
                        + " (a proxy that asks for a password is not supported)");
    }

    @ParameterizedTest
    @CsvSource({
        "a/b, a/b",
        "a/b@main, a/b",
        "a/b@v1.0, a/b@v1.0",
        "a/b@refs/pr/1, a/b@refs/pr/1",
        "HuggingFaceTB/SmolLM2-135M, HuggingFaceTB/SmolLM2-135M"
    })
    void nameIsAnOrganizationANameAndARevision(String text, String want) {
        assertThat(ModelName.isOne(text)).isTrue();
        assertThat(ModelName.parse(text)).hasToString(want);
    }

    @ParameterizedTest
    @CsvSource({
        "b, 'b: got no name of a model, want ORG/NAME or ORG/NAME@revision'",
        "a/b/c, 'a/b/c: got no name of a model, want ORG/NAME or ORG/NAME@revision'",
        "../b, '../b: got .., want letters, digits and single -, _ or . between them'",
        "a/-b, 'a/-b: got -b, want letters, digits and single -, _ or . between them'",
        "a--b/c, 'a--b/c: got a--b, want letters, digits and single -, _ or . between them'",
        "a/b.git, 'a/b.git: got b.git, want letters, digits and single -, _ or . between them'",
        "a/b@../c, 'a/b: got revision ../c, want a branch, a tag or a commit'",
        "a/b@/c, 'a/b: got revision /c, want a branch, a tag or a commit'",
    })
    void nameThatCouldLeaveTheCacheIsRefused(String text, String message) {
        assertThat(ModelName.isOne(text)).isFalse();
        assertThatThrownBy(() -> ModelName.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }
}
