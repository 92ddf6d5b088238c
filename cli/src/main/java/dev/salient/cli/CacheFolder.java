package dev.salient.cli;

import java.nio.file.Path;

/** The user's cache folder of ours, by the usual conventions. */
public final class CacheFolder {
    private CacheFolder() {}

    /** {@code $XDG_CACHE_HOME/salient}, or {@code ~/.cache/salient}. */
    public static Path path() {
        String base = System.getenv("XDG_CACHE_HOME");
        return base == null || base.isEmpty()
                ? Path.of(System.getProperty("user.home"), ".cache", "salient")
                : Path.of(base, "salient");
    }
}
