package dev.salient.cli.make;

import java.io.IOException;
import java.nio.file.Path;

/** The embedded model, for tests of other packages. */
public final class EmbeddedForTests {
    private EmbeddedForTests() {}

    /** Writes it. */
    public static void unpack(Path folder) throws IOException {
        EmbeddedModel.unpack(folder);
    }
}
