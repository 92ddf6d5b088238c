package dev.salient.hub;

import static dev.salient.tensor.Preconditions.require;

import java.io.IOException;
import java.net.ProxySelector;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Which hub is asked, as whom, and where its models are kept.
 *
 * @param endpoint the hub's address, or null to use only what is in the cache
 * @param token that says who asks, or null; goes to the endpoint and nowhere else
 * @param cache where models are kept
 * @param network how the hub is reached
 */
public record HubSettings(@Nullable URI endpoint, @Nullable String token, HubCache cache, Network network) {
    /** The hub that is asked where the user names none. */
    public static final String PUBLIC_HUB = "https://huggingface.co";

    private static final Duration PATIENCE = Duration.ofSeconds(30);

    /**
     * How a hub is reached.
     *
     * @param patience how long nothing may come before a connection counts as cut
     * @param proxies what stands between us and the hub
     */
    public record Network(Duration patience, Pauses pauses, ProxySelector proxies) {}

    /** Lets time pass between two tries. */
    public interface Pauses {
        void pause(Duration time) throws InterruptedException;
    }

    public HubSettings {
        if (endpoint != null) {
            requireAddress(endpoint);
        }
        // The message must not show it.
        require(
                token == null || token.chars().allMatch(c -> c > ' ' && c < 0x7f),
                "HF_TOKEN: got a token with blanks or letters that are not ASCII");
    }

    private static void requireAddress(URI endpoint) {
        require(
                ("https".equals(endpoint.getScheme()) || "http".equals(endpoint.getScheme()))
                        && endpoint.getHost() != null
                        && endpoint.getUserInfo() == null
                        && endpoint.getQuery() == null
                        && endpoint.getFragment() == null,
                "endpoint: got %s, want https://HOST or http://HOST",
                Plain.text(endpoint.toString()));
    }

    /**
     * The settings of {@code huggingface_hub}: HF_ENDPOINT, HF_TOKEN or the token file, HF_HOME, HF_HUB_CACHE,
     * XDG_CACHE_HOME, HF_HUB_OFFLINE, HF_HUB_DISABLE_SYMLINKS; and the usual HTTPS_PROXY, HTTP_PROXY, NO_PROXY.
     *
     * @param home the user's home folder
     */
    public static HubSettings of(Map<String, String> environment, Path home) throws IOException {
        HubEnvironment variables = new HubEnvironment(environment, home);
        String address = variables.value("HF_ENDPOINT", PUBLIC_HUB);
        boolean offline = variables.isTrue("HF_HUB_OFFLINE") || variables.isTrue("TRANSFORMERS_OFFLINE");
        return new HubSettings(
                offline ? null : address(address),
                findToken(variables),
                HubCache.of(environment, home),
                new Network(PATIENCE, Thread::sleep, new EnvironmentProxies(environment)));
    }

    /** The same with another hub; null leaves it as it is, and so does being offline. */
    public HubSettings withEndpoint(@Nullable String other) {
        return other == null || endpoint == null ? this : new HubSettings(address(other), token, cache, network);
    }

    private static URI address(String text) {
        try {
            return URI.create(text.replaceAll("/+$", ""));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "endpoint: got %s, want https://HOST or http://HOST".formatted(Plain.text(text)), e);
        }
    }

    private static @Nullable String findToken(HubEnvironment variables) throws IOException {
        if (variables.isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
            return null;
        }
        String token = variables.value("HF_TOKEN", variables.value("HUGGING_FACE_HUB_TOKEN", ""));
        Path file = variables.path("HF_TOKEN_PATH", variables.hubHome().resolve("token"));
        if (token.isBlank() && Files.isRegularFile(file)) {
            token = Files.readString(file);
        }
        return token.isBlank() ? null : token.strip();
    }

    /** Without the token. */
    @Override
    public String toString() {
        return "HubSettings[" + endpoint + ", " + (token == null ? "no token" : "a token") + ", " + cache + "]";
    }
}
