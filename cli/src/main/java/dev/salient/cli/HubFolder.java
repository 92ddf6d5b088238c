package dev.salient.cli;

import dev.salient.hub.HubCache;
import dev.salient.hub.HubSettings;
import java.io.IOException;
import java.nio.file.Path;

/** The hub and its cache, as this process's environment says. */
final class HubFolder {
    private HubFolder() {}

    static HubSettings settings() throws IOException {
        return HubSettings.of(System.getenv(), home());
    }

    static HubCache cache() {
        return HubCache.of(System.getenv(), home());
    }

    private static Path home() {
        return Path.of(System.getProperty("user.home"));
    }
}
