package dev.salient.hub;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertificateException;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Requests about one model to one hub. */
final class HubConnection implements AutoCloseable {
    private static final int MAX_REDIRECTS = 8;
    private static final int MAX_DESCRIPTION_BYTES = 16_000_000;
    private static final int CHUNK_BYTES = 1 << 16;
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);
    private static final int RANGE_NOT_SATISFIABLE = 416;

    private final URI endpoint;
    private final HubSettings settings;
    private final ModelName model;
    private final HttpClient client;

    HubConnection(URI endpoint, HubSettings settings, ModelName model) {
        this.endpoint = endpoint;
        this.settings = settings;
        this.model = model;
        client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER) // ours knows where the token may go
                .proxy(settings.network().proxies())
                .connectTimeout(settings.network().patience())
                .build();
    }

    /** The hub's host. */
    String host() {
        return endpoint.getHost();
    }

    /** What the hub says about the model: JSON, at most 16 MB of it. */
    byte[] describe(PullListener listener) throws IOException, InterruptedException {
        URI uri = URI.create(endpoint + "/api/models/" + model.repository() + "/revision/" + encoded(model.revision())
                + "?blobs=true");
        Retries retries = new Retries(model.toString(), settings.network().pauses(), listener);
        while (true) {
            try (Answer answer = open(uri, Map.of())) {
                return body(answer);
            } catch (TransientException e) {
                retries.pauseAfter(e);
            }
        }
    }

    private byte[] body(Answer answer) throws IOException, InterruptedException {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        byte[] chunk = new byte[CHUNK_BYTES];
        for (int n; (n = answer.read(chunk)) >= 0; ) {
            body.write(chunk, 0, n);
            if (body.size() > MAX_DESCRIPTION_BYTES) {
                throw HubException.refused(
                        "%s: got a description of more than %d bytes from %s"
                                .formatted(model, MAX_DESCRIPTION_BYTES, answer.host()),
                        null);
            }
        }
        return body.toByteArray();
    }

    /** Where a file of a commit is. */
    URI fileUri(String commit, String path) {
        String encoded =
                Arrays.stream(path.split("/")).map(HubConnection::encoded).collect(Collectors.joining("/"));
        return URI.create(endpoint + "/" + model.repository() + "/resolve/" + commit + "/" + encoded);
    }

    /**
     * Asks for something, through all redirects. The answer's status is 200, 206 or 416.
     *
     * @throws TransientException where another try may help
     * @throws HubException where it won't
     */
    Answer open(URI uri, Map<String, String> headers) throws IOException, InterruptedException {
        URI at = uri;
        for (int hop = 0; hop <= MAX_REDIRECTS; hop++) {
            HttpResponse<InputStream> response = send(at, headers);
            int status = response.statusCode();
            if (status == 200 || status == 206 || status == RANGE_NOT_SATISFIABLE) {
                return new Answer(response, settings.network().patience());
            }
            response.body().close();
            if (!REDIRECTS.contains(status)) {
                throw new Refusal(model, endpoint, settings.token() != null).of(response, isHub(at));
            }
            at = target(at, response.headers().firstValue("Location").orElse(""));
        }
        throw HubException.refused(
                "%s: got more than %d redirects from %s".formatted(model, MAX_REDIRECTS, host()), null);
    }

    private URI target(URI from, String location) throws HubException {
        URI to = findTarget(from, location);
        if (to == null) {
            throw HubException.refused(
                    "%s: got a redirect from %s to %s, want an https address"
                            .formatted(model, from.getHost(), location.isEmpty() ? "nowhere" : Plain.text(location)),
                    null);
        }
        return to;
    }

    /** Where a redirect leads; null where it is not followed: to another protocol, or out of an encrypted one. */
    static @Nullable URI findTarget(URI from, String location) {
        try {
            URI to = from.resolve(new URI(location));
            boolean web = "https".equals(to.getScheme()) || ("http".equals(to.getScheme()) && isPlainHttp(from));
            return web && to.getHost() != null && to.getUserInfo() == null && !location.isEmpty() ? to : null;
        } catch (URISyntaxException e) {
            return null;
        }
    }

    private static boolean isPlainHttp(URI uri) {
        return "http".equals(uri.getScheme());
    }

    private boolean isHub(URI uri) {
        return uri.getScheme().equals(endpoint.getScheme())
                && uri.getHost().equalsIgnoreCase(endpoint.getHost())
                && port(uri) == port(endpoint);
    }

    private static int port(URI uri) {
        return uri.getPort() >= 0 ? uri.getPort() : isPlainHttp(uri) ? 80 : 443;
    }

    private HttpResponse<InputStream> send(URI uri, Map<String, String> headers)
            throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri)
                .timeout(settings.network().patience())
                .header("User-Agent", "salient")
                .header("Accept-Encoding", "identity");
        headers.forEach(request::header);
        if (settings.token() != null && isHub(uri)) { // and to no other host
            request.header("Authorization", "Bearer " + settings.token());
        }
        try {
            return client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
        } catch (HttpTimeoutException e) {
            throw new TransientException("no answer from " + uri.getHost());
        } catch (ConnectException e) {
            throw new TransientException("no connection to " + uri.getHost());
        } catch (IOException e) {
            if (isUntrusted(e)) {
                throw HubException.refused(
                        "%s: got a certificate from %s that nobody vouches for".formatted(model, uri.getHost()),
                        "if it is your own: SALIENT_JAVA_OPTS=-Djavax.net.ssl.trustStore=FILE");
            }
            throw new TransientException("the connection to " + uri.getHost() + " was cut");
        }
    }

    private static boolean isUntrusted(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof CertificateException) {
                return true;
            }
        }
        return false;
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    @Override
    public void close() {
        client.shutdownNow();
    }
}
