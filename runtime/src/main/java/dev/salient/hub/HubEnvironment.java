package dev.salient.hub;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Environment variables, read as {@code huggingface_hub} reads them; an empty one counts as absent. */
record HubEnvironment(Map<String, String> variables, Path home) {
    private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");
    private static final Pattern VARIABLE = Pattern.compile("\\$(?:(\\w+)|\\{([^}]*)})");

    String value(String name, String otherwise) {
        String value = variables.getOrDefault(name, "");
        return value.isEmpty() ? otherwise : value;
    }

    boolean isTrue(String name) {
        return TRUE.contains(value(name, "").toUpperCase(Locale.ROOT));
    }

    /** A folder or file: a tilde at its start and variables in it are put in. */
    Path path(String name, Path otherwise) {
        String value = value(name, "");
        if (value.isEmpty()) {
            return otherwise;
        }
        String text = value.equals("~") || value.startsWith("~/") ? home + value.substring(1) : value;
        return Path.of(VARIABLE.matcher(text).replaceAll(found -> Matcher.quoteReplacement(expanded(found))));
    }

    private String expanded(MatchResult found) {
        String name = found.group(1) == null ? found.group(2) : found.group(1);
        return variables.getOrDefault(name, found.group());
    }

    /** HF_HOME: where token and cache are. */
    Path hubHome() {
        return path(
                "HF_HOME",
                Path.of(value("XDG_CACHE_HOME", home.resolve(".cache").toString()), "huggingface"));
    }
}
