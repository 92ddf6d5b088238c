package dev.salient.hub;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What an answer other than the file means, and what the user can do about it. */
record Refusal(ModelName model, URI endpoint, boolean withToken) {
    private static final Pattern SECONDS = Pattern.compile("\\d{1,9}");
    private static final Pattern RATE_LIMIT = Pattern.compile(";\\s*t=(\\d{1,9})");

    /** @param fromHub whether the hub itself answered, not a server that it sent us to */
    IOException of(HttpResponse<?> response, boolean fromHub) {
        int status = response.statusCode();
        String host = response.uri().getHost();
        if (status >= 500 || status == 408 || status == 429) {
            return new TransientException("got status %d from %s".formatted(status, host), findWait(response));
        }
        if (!fromHub) { // the hub's links to its stores run out: the next try gets a new one
            return new TransientException("got status %d from %s".formatted(status, host));
        }
        String code = response.headers().firstValue("X-Error-Code").orElse("");
        return switch (code) {
            case "GatedRepo" ->
                HubException.refused(
                        "%s: its authors give it only to those who accept their terms".formatted(model),
                        "accept them at %s/%s, then %s".formatted(endpoint, model.repository(), token()));
            case "RevisionNotFound" ->
                HubException.refused(
                        "%s: got revision %s, want a branch, a tag or a commit of it"
                                .formatted(model.repository(), model.revision()),
                        null);
            case "EntryNotFound" ->
                HubException.refused("%s: got a file that is there no more".formatted(model), "pull it again");
            default -> byStatus(status);
        };
    }

    private HubException byStatus(int status) {
        String place = model.repository();
        return switch (status) {
            // Hubs answer 401 or 404 alike where a model is private and where there is none.
            case 401, 404 ->
                HubException.refused(
                        "%s: got status %d from %s: it has no such model, or not for %s"
                                .formatted(place, status, endpoint.getHost(), withToken ? "this token" : "everybody"),
                        "check the name; if it is private, " + token());
            case 403 ->
                HubException.refused(
                        "%s: got status 403 from %s: %s may not read it"
                                .formatted(place, endpoint.getHost(), withToken ? "this token" : "not everybody"),
                        token());
            default ->
                HubException.refused(
                        "%s: got status %d from %s, want the model".formatted(place, status, endpoint.getHost()),
                        "is it a hub? HF_ENDPOINT or --endpoint names another");
        };
    }

    private String token() {
        return (withToken ? "set HF_TOKEN to a token of an account that may read it" : "set HF_TOKEN to a token");
    }

    private static @Nullable Duration findWait(HttpResponse<?> response) {
        String after = response.headers().firstValue("Retry-After").orElse("");
        if (SECONDS.matcher(after).matches()) {
            return Duration.ofSeconds(Long.parseLong(after));
        }
        Matcher limit =
                RATE_LIMIT.matcher(response.headers().firstValue("RateLimit").orElse(""));
        if (limit.find()) {
            return Duration.ofSeconds(Long.parseLong(limit.group(1)));
        }
        try {
            Duration wait = Duration.between(
                    ZonedDateTime.now(ZoneOffset.UTC),
                    ZonedDateTime.parse(after, DateTimeFormatter.RFC_1123_DATE_TIME));
            return wait.isNegative() ? Duration.ZERO : wait;
        } catch (DateTimeParseException e) {
            return null;
        }
    }
}
